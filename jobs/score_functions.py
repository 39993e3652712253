"""The recipe's scorers as SQL functions of a Spark session, for a notebook or the pyspark shell:

from jobs.score_functions import open_session
spark = open_session("conf/demo.yaml")
spark.sql("select image_id, clip_scenes_similarity(image, text) from (select * from candidates limit 20)").show()
"""

from __future__ import annotations

from pyspark.sql import SparkSession
from pyspark.sql.functions import PandasUDFType, pandas_udf

from conf.recipe import Recipe, load_recipe
from jobs.launch import check_owner, open_context
from jobs.scoring import scorer_set, scorer_specs
from schemas.sql_views import register_views
from udfs.scorers.columns import ScoreColumn


def open_session(config: str) -> SparkSession:
    """The running Spark session, or a new one, that knows the recipe's tables and views by their bare names and its
    scorers as functions; it takes the place of a recipe that was opened before. RecipeError as for a job.
    """
    recipe = load_recipe(config)
    check_owner(recipe)
    context = open_context(recipe)
    register_views(context.spark)
    for score, arguments in register_score_functions(context.spark, recipe).items():
        context.say(f"  {score}({', '.join(arguments)})")
    return context.spark


def register_score_functions(spark: SparkSession, recipe: Recipe) -> dict[str, tuple[str, ...]]:
    """Register one function a score; score -> the names of its arguments (image, and text or atoms where the scorer
    looks at them).

    They are marked non-deterministic, so that Spark evaluates each once a row. Write a limit into a subquery, else
    every row is scored.
    """
    specs = scorer_specs(recipe)
    arguments: dict[str, tuple[str, ...]] = {}
    for name, spec in specs.items():
        for score in spec.scores:
            column = ScoreColumn(scorer_set(recipe, specs, (name,)), score)
            function = pandas_udf(column, "double", PandasUDFType.SCALAR_ITER).asNondeterministic()
            spark.udf.register(score, function)
            arguments[score] = ("image", *spec.needs)
    return arguments

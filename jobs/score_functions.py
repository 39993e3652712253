"""The recipe's scorers as SQL functions: select clip_scenes_similarity(image, text) from (select * from candidates
limit 20)."""

from __future__ import annotations

from pyspark.sql import SparkSession
from pyspark.sql.functions import PandasUDFType, pandas_udf

from conf.recipe import Recipe
from jobs.scoring import scorer_set, scorer_specs
from udfs.scorers.columns import ScoreColumn


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

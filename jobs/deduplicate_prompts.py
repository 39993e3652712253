"""prompts -> prompt_embeddings, prompt_duplicates: one row per prompt compared, with the prompt that stands for it.

1. Exact: prompts with the same words are one, whatever their labels; the first of them goes on, and a copy follows it.
2. Embeddings: the first ones' texts go through the sentence model, wave by wave, into prompt_embeddings. This is nearly all of
   the work; a run that was killed goes on there. A prompt whose text fails is not compared, and so not kept, until
   --retry errors mends it.
3. Semantic: what the guard demands to be equal makes sets. In a set of up to 16,384 prompts every pair is
   compared; a larger one is cut into k-means cells, and a prompt is compared with its own and the next nearest
   (jobs/prompt_rounds.py). New prompts are compared with all that is kept, and a prompt that was kept stays kept. One commit.

So a prompt is a duplicate only of one that is kept and that it is itself like: the same words, or the cosine and the
guard. Answers do not depend on how Spark cuts the rows. Where a run was killed moves the last bits of a vector (1e-7: its
batch has another size), so a cosine within a millionth of the threshold may fall on the other side of it.
"""

from __future__ import annotations

from functools import reduce

import pyarrow as pa
from pyspark.sql import DataFrame, Observation, Window
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from conf.recipe import Deduplication
from jobs.endings import JobError
from jobs.launch import Context, main
from jobs.lock import table_lock
from jobs.prompt_rounds import compared_in_places, stored
from jobs.specs import embedder_spec
from jobs.waves import answered, run_waves, work_left
from schemas.delta import with_run
from udfs.attributes import QUOTED
from udfs.embedders import COLUMNS, MiniLM, SentenceEmbedder
from udfs.harness import Stage
from udfs.prompt_cells import placing
from udfs.prompt_groups import PLACED

ALL_PAIRS_AT_MOST = 200_000  # prompts; one task compares them
# Lower case without punctuation; %, &, #, @, a minus and what stands inside a number (1.5, 5:30, 1/2, 5-30) are words,
# and what stands in quotes counts letter for letter. ++, as in QUOTED: in Java a group that may give back what it took
# costs stack for every round, and a line of dashes would use it up.
_WORDS = (
    r"trim(regexp_replace(lower(text),"
    r" '(?:(?<!\\d)[./:]|[./:](?!\\d)|(?<=\\p{L})[–-]|[–-](?!\\d)|[\\p{P}\\s&&[^%&#@./:–-]])++', ' '))"
)
_PATTERN = f"(?U){QUOTED.pattern}".replace("\\", "\\\\").replace("'", "\\'")  # as a literal of SQL
_QUOTED = f"array_join(transform(regexp_extract_all(text, '{_PATTERN}', 0), t -> substr(t, 2, len(t) - 2)), '|')"
SAME_WORDS = f"concat({_WORDS}, '|', {_QUOTED})"
Spec = MiniLM | SentenceEmbedder
_COMPARED = ("prompt_id", "text", "atoms", "category", "style", "started")


def run(context: Context) -> None:
    rules, embedder = context.recipe.deduplication, embedder_spec(context.recipe.deduplication.embedder)
    if context.plan:
        embed(context, _todo(context), embedder)
        return
    _refuse_another_embedder(context, embedder.model)
    with table_lock(context, "prompt_duplicates"):
        todo = _todo(context)
        embed(context, todo, embedder)
        _compare(context, todo, rules, embedder.model)


def _todo(context: Context) -> DataFrame:
    return stored(to_compare(_written(context), context.lakehouse.read("prompt_duplicates")))


def _written(context: Context) -> DataFrame:
    return context.lakehouse.read("prompts").where("status = 'ok'")


def embed(context: Context, todo: DataFrame, embedder: Spec) -> None:
    """Add to prompt_embeddings what is lacking for `todo`, wave by wave; with --plan say how much that is."""
    done = context.lakehouse.read("prompt_embeddings").where(F.col("model") == embedder.model)
    run_waves(
        context,
        "prompt_embeddings",
        work_left(todo.where("exact_of is null"), done, ("prompt_id",), context.retry),
        lambda wave: embedded(wave, embedder),
        order=("started", "prompt_id"),
        noun="prompts",
        alike=F.col("model") == embedder.model,
    )


def to_compare(prompts: DataFrame, compared: DataFrame) -> DataFrame:
    """Prompts not compared yet, with exact_of: the first prompt with the same words; null: itself."""
    marked = in_order(prompts).join(compared.select("prompt_id", F.lit(True).alias("done")), "prompt_id", "left")
    first = Window.partitionBy(F.expr(SAME_WORDS)).orderBy(F.col("done").desc_nulls_last(), "started", "prompt_id")
    return (
        marked.withColumn("leader", F.first("prompt_id").over(first))
        .where("done is null")
        .select(*_COMPARED, F.expr("nullif(leader, prompt_id)").alias("exact_of"))
    )


def in_order(prompts: DataFrame) -> DataFrame:
    """With started, the first created_at of the prompt's run: prompts of one run rank by prompt_id, wherever its waves
    were cut.
    """
    started = prompts.groupBy("run_id").agg(F.min("created_at").alias("started"))
    return prompts.join(F.broadcast(started), "run_id")


def embedded(wave: DataFrame, embedder: Spec) -> DataFrame:
    """prompts -> rows of prompt_embeddings; the model runs here, once a prompt."""
    answers = answered(wave, Stage(embedder, (("prompt_id", pa.string()),), COLUMNS))
    return answers.withColumn("model", F.lit(embedder.model))


def _compare(context: Context, todo: DataFrame, rules: Deduplication, model: str) -> None:
    read = context.lakehouse.read
    embeddings = read("prompt_embeddings").where(F.col("model") == model)
    vectors = embeddings.where("status = 'ok'")
    failed = embeddings.where("status = 'error'").join(vectors, "prompt_id", "left_anti")
    first = F.coalesce("exact_of", "prompt_id")  # the prompt whose vector counts
    todo = stored(todo.join(failed.select(F.col("prompt_id").alias("failed")), first == F.col("failed"), "left_anti"))
    if todo.isEmpty():
        context.say("prompt_duplicates: nothing to do")
        return
    found = duplicates(todo, _written(context), vectors, read("prompt_duplicates"), rules)
    counts = Observation()
    seen = found.withColumn("model", F.lit(model)).observe(
        counts, F.count(F.lit(1)).alias("all"), F.count_if(F.col("reason").isNull()).alias("kept")
    )
    context.lakehouse.append("prompt_duplicates", with_run(seen, context.run_id))
    context.say(
        f"prompt_duplicates: {counts.get['all']:,} prompts compared, {counts.get['kept']:,} of them kept;"
        f" table version {context.lakehouse.version('prompt_duplicates')}"
    )


def duplicates(
    todo: DataFrame, prompts: DataFrame, vectors: DataFrame, compared: DataFrame, rules: Deduplication
) -> DataFrame:
    """Prompts to compare -> rows of prompt_duplicates without model.

    todo: as `to_compare` gives them, stored. vectors: prompt_embeddings of the run's embedder. compared:
    prompt_duplicates before.
    """
    answers = meanings(todo, prompts, vectors, compared, rules)
    own = (
        answers.join(vectors, "prompt_id")
        .withColumn("reason", F.expr("case when kept_id <> prompt_id then 'semantic' end"))
        .select("prompt_id", "kept_id", "reason", "similarity", "embedding", "seconds", "device")
    )
    leaders = own.unionByName(compared.select(*own.columns)).drop("reason", "seconds", "device")
    copies = (
        todo.where("exact_of is not null")
        .select("prompt_id", F.col("exact_of"))
        .join(leaders.withColumnRenamed("prompt_id", "exact_of"), "exact_of")
        # of a prompt with the same words that is itself a duplicate by its meaning, a copy is one by its meaning too
        .withColumn("reason", F.expr("case when kept_id = exact_of then 'exact' else 'semantic' end"))
        .withColumn("similarity", F.coalesce("similarity", F.lit(1.0)))
        .withColumns({"seconds": F.lit(0.0), "device": F.lit(None).cast("string")})
    )
    return own.unionByName(copies.select(*own.columns))


def meanings(
    todo: DataFrame, prompts: DataFrame, vectors: DataFrame, compared: DataFrame, rules: Deduplication
) -> DataFrame:
    """Prompts to compare, first with their words -> (prompt_id, kept_id, similarity; null: kept)."""
    new = todo.where("exact_of is null").join(vectors.select("prompt_id", "embedding"), "prompt_id")
    kept = compared.where("kept_id = prompt_id").select("prompt_id", "embedding")
    old = in_order(prompts).join(kept, "prompt_id")
    columns = (*_COMPARED, "embedding")
    rows = (
        new.select(*columns, F.lit(False).alias("known"))
        .unionByName(old.select(*columns, F.lit(True).alias("known")))
        .select("prompt_id", "started", "known", "text", "atoms", "category", "style", "embedding")
    )
    placed = stored(rows.mapInArrow(placing(rules.guard), schema=from_arrow_schema(PLACED)))
    if rules.cells == 1:
        _refuse_too_many(placed.count())
    return reduce(DataFrame.unionByName, compared_in_places(placed, rules.similarity, rules.cells, rules.probes))


def _refuse_too_many(rows: int) -> None:
    if rows > ALL_PAIRS_AT_MOST:
        raise JobError(
            f"deduplication.cells: 1 compares every pair of {rows:,} prompts; that is allowed up to"
            f" {ALL_PAIRS_AT_MOST:,}. Set it to 128, or leave it (and preset: fine_t2i_every_pair) out."
        )


def _refuse_another_embedder(context: Context, model: str) -> None:
    rows = context.lakehouse.read("prompt_duplicates").select("model").distinct().collect()
    others = sorted(row["model"] for row in rows if row["model"] != model)
    if others:
        raise JobError(
            f"prompt_duplicates: it holds embeddings of {', '.join(others)}, this run adds some of {model};"
            " these cannot be compared. Install the weights of before, or give the recipe another lakehouse folder."
        )


if __name__ == "__main__":
    main(run, plan=True, retry=("errors",))

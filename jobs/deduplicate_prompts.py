"""prompts -> prompt_duplicates: one row per prompt compared, with the prompt that stands for it."""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from conf.recipe import Deduplication
from jobs.launch import Context, JobError, main
from jobs.waves import answered, run_waves
from udfs.atoms import ARROW
from udfs.embedders import COLUMNS, MiniLM, minilm
from udfs.harness import Stage
from udfs.prompt_groups import OUTPUT, grouping

KEEP = (
    ("prompt_id", pa.string()),
    ("text", pa.string()),
    ("atoms", ARROW),
    ("created_at", pa.timestamp("us", tz="UTC")),
    ("block", pa.string()),
    ("exact_of", pa.string()),
    ("exact_kept", pa.string()),
)
# Lower case without punctuation; %, &, # and @ are words, and what stands in double quotes counts letter for letter.
_WORDS = r"trim(regexp_replace(lower(text), '[\\p{P}\\s&&[^%&#@]]+', ' '))"
_QUOTED = r"""array_join(regexp_extract_all(text, '"([^"]+)"', 1), '|')"""
SAME_WORDS = f"concat({_WORDS}, '|', {_QUOTED})"


def run(context: Context) -> None:
    rules, embedder = context.recipe.deduplication, minilm()
    read = context.lakehouse.read
    prompts = read("prompts").where("status = 'ok'")
    todo = to_compare(prompts, read("prompt_duplicates"), rules)
    if not context.plan:
        _refuse_another_embedder(context, embedder)
    run_waves(
        context,
        "prompt_duplicates",
        todo,
        # each wave is compared with what the waves before it kept, so the table is read anew
        lambda wave: duplicates(wave, prompts, read("prompt_duplicates"), rules, embedder),
        order=("block", "created_at", "prompt_id"),
        noun="prompts",
    )


def to_compare(prompts: DataFrame, compared: DataFrame, rules: Deduplication) -> DataFrame:
    """Prompts not compared yet, with their block and, in exact_of, the first prompt with the same words (null: itself).

    An exact copy goes to the block of the prompt that it copies, whatever its own labels are: the same text makes the
    same pictures.
    """
    marked = in_order(prompts).join(compared.select("prompt_id", F.lit(True).alias("done")), "prompt_id", "left")
    first = Window.partitionBy(F.expr(SAME_WORDS)).orderBy(F.col("done").desc_nulls_last(), "created_at", "prompt_id")
    leader = F.first(F.struct("prompt_id", block(rules).alias("block"))).over(first)
    return (
        marked.withColumn("leader", leader)
        .where("done is null")
        .withColumn("exact_of", F.expr("nullif(leader.prompt_id, prompt_id)"))
        .select("prompt_id", "text", "atoms", "created_at", F.col("leader.block").alias("block"), "exact_of")
    )


def duplicates(
    wave: DataFrame, prompts: DataFrame, compared: DataFrame, rules: Deduplication, embedder: MiniLM
) -> DataFrame:
    """prompts to compare -> rows of prompt_duplicates; the model runs here, once a prompt."""
    placed = with_copies(wave, prompts, compared, rules)
    stage = Stage(embedder, KEEP, COLUMNS)
    embedded = answered(placed, stage)
    own = [name for name, _ in (*KEEP, *COLUMNS)]
    new = embedded.select(*own, "seconds", "device", "status", "error_message", F.lit(False).alias("known"))
    known = kept(prompts, compared, rules).join(F.broadcast(placed.select("block").distinct()), "block", "left_semi")
    blocks = new.unionByName(known, allowMissingColumns=True).groupBy("block")
    answers = blocks.applyInArrow(grouping(rules.similarity, rules.guard), schema=from_arrow_schema(OUTPUT))
    return answers.withColumn("model", F.lit(embedder.model))


def with_copies(wave: DataFrame, prompts: DataFrame, compared: DataFrame, rules: Deduplication) -> DataFrame:
    """The wave with exact_kept: what stands for the prompt that an exact copy repeats, if that was compared before.

    The copy then belongs to the block of the prompt that stands for it, which other rules may have put elsewhere.
    """
    before = compared.select(F.col("prompt_id").alias("exact_of"), F.col("kept_id").alias("exact_kept"))
    homes = prompts.select(F.col("prompt_id").alias("exact_kept"), block(rules).alias("home"))
    joined = wave.join(before, "exact_of", "left").join(homes, "exact_kept", "left")
    return joined.withColumn("block", F.coalesce("home", "block")).select(*(name for name, _ in KEEP))


def kept(prompts: DataFrame, compared: DataFrame, rules: Deduplication) -> DataFrame:
    """Every kept prompt with its embedding: what new prompts are compared with."""
    vectors = compared.where("kept_id = prompt_id").select("prompt_id", "embedding")
    columns = ("prompt_id", "text", "atoms", "created_at", "embedding")
    return (
        in_order(prompts)
        .join(vectors, "prompt_id")
        .select(block(rules).alias("block"), *columns, F.lit(True).alias("known"))
    )


def block(rules: Deduplication) -> Column:
    """Prompts of different blocks are never compared by meaning: another style is another picture.

    Under the guard so is another category.
    Without the guard categories are compared with each other, as the paper did. Blocks also are what Spark spreads
    over its tasks.
    """
    return F.concat_ws("/", "style", "category") if rules.guard else F.col("style")


def in_order(prompts: DataFrame) -> DataFrame:
    """created_at made that of the prompt's run: prompts of one run rank by prompt_id, wherever its waves were cut."""
    started = prompts.groupBy("run_id").agg(F.min("created_at").alias("started"))
    return prompts.join(F.broadcast(started), "run_id").withColumn("created_at", F.col("started")).drop("started")


def _refuse_another_embedder(context: Context, embedder: MiniLM) -> None:
    rows = context.lakehouse.read("prompt_duplicates").select("model").distinct().collect()
    others = sorted(row["model"] for row in rows if row["model"] != embedder.model)
    if others:
        raise JobError(
            f"prompt_duplicates: it holds embeddings of {', '.join(others)}, this run adds some of {embedder.model};"
            " these cannot be compared. Install the weights of before, or give the recipe another lakehouse folder."
        )


if __name__ == "__main__":
    main(run, plan=True)

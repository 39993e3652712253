"""What a run came to: the funnel, the keep rates, where the shards are, and a contact sheet of kept beside rejected
pictures.

It writes no table. The sheet lies beside the releases, not in one: it shows the lakehouse as it is now.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.contact_sheet import Cell, save_side_by_side
from jobs.launch import Context, main
from schemas.tables import STRATUM

_COLUMNS, _ROWS = 4, 6
_PICTURES = _COLUMNS * _ROWS
_REASONS = 3  # under a rejected picture


def report(context: Context) -> None:
    """Print the report and draw the sheet."""
    policy = context.recipe.gates.name
    for line in funnel_lines(_of_policy(context, "funnel", policy).orderBy("ordinal").collect()):
        context.say(line)
    for line in rate_lines(_of_policy(context, "keep_rates", policy)):
        context.say(line)
    sheet = contact_sheet(context, policy)
    for line in release_lines(context):
        context.say(line)
    if sheet is not None:
        context.say(f"pictures:  {sheet}  (kept beside rejected, with the reasons)")
    context.say(f"questions: {sql_command(context.recipe.path)}")


def funnel_lines(rows: Sequence[Any]) -> list[str]:
    """The rows of the view funnel in order, as an aligned table, a blank line between kinds."""
    head = ("kind", "step", "in", "fail", "fail only here", "out", "share")
    table = [head]
    for row in rows:
        share = "" if row["share"] is None else f"{row['share']:.1%}"
        counts = [f"{row[name]:,}" for name in ("rows_in", "fail", "fail_only", "rows_out")]
        table.append((row["kind"], row["gate"] or row["step"], *counts, share))
    lines = aligned(table, left=2)
    kinds = [None, *(row["kind"] for row in rows)]
    return [
        text
        for line, kind, before in zip(lines, kinds, [None, *kinds], strict=False)
        for text in ([""] * (kind != before) + [line])
    ]


def rate_lines(rates: DataFrame) -> list[str]:
    """'kept: 120 of 800 generated pictures (15.0%)', a line a kind."""
    totals = (
        rates.groupBy("kind")
        .agg(F.sum("candidates").alias("candidates"), F.sum("kept").alias("kept"))
        .orderBy("kind")
        .collect()
    )
    return [
        "",
        *(
            f"kept:      {row['kept']:,} of {row['candidates']:,} {row['kind']} pictures"
            f" ({row['kept'] / row['candidates']:.1%})"
            for row in totals
        ),
    ]


def release_lines(context: Context) -> list[str]:
    """Where the last release is; a hint where there is none."""
    releases = context.lakehouse.read("releases").where(F.col("release").startswith(context.recipe.release.name + "-"))
    row = releases.orderBy(F.desc("created_at")).first()
    if row is None:
        return ["shards:    none yet; export_webdataset writes them"]
    shards = sum(row["shards"].values())
    return [f"shards:    {row['folder']}  ({row['samples']:,} samples, shards: {shards:,}, release {row['release']})"]


def sql_command(recipe: Path) -> str:
    """How to ask the tables and views, for this recipe."""
    config = "" if recipe.as_posix() == "conf/demo.yaml" else f" CONFIG={recipe}"
    return f'make sql{config}, or make sql{config} QUERY="select * from funnel order by ordinal"'


def contact_sheet(context: Context, policy: str) -> Path | None:
    """Kept pictures on the left, rejected ones on the right: the same ones each time, from every subset and for every
    reason in turn."""
    kept = _of_policy(context, "training_set", policy).select(
        "image_id",
        "kind",
        *STRATUM,
        F.col("caption").alias("text"),
        F.col("subset").alias("group"),
        F.array().cast("array<string>").alias("reasons"),
    )
    reason = F.regexp_extract(F.col("reject_reasons")[0], "^(duplicate|[^:]+)", 1)
    rejected = _of_policy(context, "rejected_images", policy).select(
        "image_id", "kind", *STRATUM, "text", reason.alias("group"), F.col("reject_reasons").alias("reasons")
    )
    left, right = chosen(kept, _PICTURES), chosen(rejected, _PICTURES)
    if not left and not right:
        return None
    pictures = _bytes(context, left + right)
    path = Path(context.recipe.release.folder) / "contact_sheet.png"
    save_side_by_side(
        path,
        (f"kept by policy {policy}", _cells(left, pictures)),
        ("rejected, and why", _cells(right, pictures)),
        _COLUMNS,
    )
    return path


def chosen(rows: DataFrame, n: int) -> list[Any]:
    """At most n rows: one of each group in turn, the largest groups first, within a group in the order of the ids'
    hashes."""
    in_group = Window.partitionBy("group")
    ranked = rows.withColumn("place", F.row_number().over(in_group.orderBy(F.sha2("image_id", 256)))).withColumn(
        "size", F.count("*").over(in_group)
    )
    few = ranked.where(F.col("place") <= n).orderBy("place", F.desc("size"), "group").limit(n)
    return few.collect()


def _cells(rows: list[Any], pictures: dict[str, bytes]) -> list[Cell]:
    cells = []
    for row in rows:
        if row["image_id"] in pictures:
            more = len(row["reasons"]) - _REASONS
            reasons = [*row["reasons"][:_REASONS], *([f"and {more} more"] if more > 0 else [])]
            cells.append((pictures[row["image_id"]], [*reasons, row["text"]] if reasons else [row["text"]]))
    return cells


def _bytes(context: Context, rows: list[Any]) -> dict[str, bytes]:
    """image_id -> JPEG of a few dozen pictures; only their strata's partitions are read."""
    found: dict[str, bytes] = {}
    for kind, table in (("generated", "images"), ("photograph", "photos")):
        wanted = [row for row in rows if row["kind"] == kind]
        if not wanted:
            continue
        stored = context.lakehouse.read(table).where("status = 'ok'")
        for label in STRATUM:
            stored = stored.where(F.col(label).isin(sorted({row[label] for row in wanted})))
        ids = [row["image_id"] for row in wanted]
        found |= {
            row["image_id"]: bytes(row["image"])
            for row in stored.where(F.col("image_id").isin(ids)).select("image_id", "image").collect()
        }
    return found


def aligned(table: Sequence[Sequence[str]], left: int) -> list[str]:
    """Lines with columns of one width: the first `left` ones start at their left edge, the others (numbers) end at
    their right."""
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return [
        "  ".join(
            c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]


def _of_policy(context: Context, view: str, policy: str) -> DataFrame:
    return context.spark.table(view).where(F.col("policy") == policy)


if __name__ == "__main__":
    main(report)

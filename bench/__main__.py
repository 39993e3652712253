"""`make bench`: every benchmark; the README shows what it printed."""

from __future__ import annotations

import statistics
import sys

from bench import deduplication, grammar, resume, scoring, shards, writers
from jobs.session import start_spark


def main() -> int:
    spark = start_spark("goldpan bench")
    print("| what | ours | baseline | baseline's | ratio: median (range) of 5 |")
    print("|---|---|---|---|---|", flush=True)
    row = scoring.measure(spark).row("scoring in Spark", "two bare processes", scoring.PICTURES, "pictures")
    print(row, flush=True)
    row = shards.measure().row("writing shards", "webdataset.ShardWriter", shards.SAMPLES, "samples")
    print(row, flush=True)
    row = writers.measure().row("64 requests in flight", "one in flight", writers.REQUESTS, "answers")
    print(row, flush=True)
    print(
        writers.hanging().row("64 in flight, 1 % of them hang for 5 s", "none hangs", writers.LONG, "answers"),
        flush=True,
    )
    spent, read, stored = resume.measure(spark)
    print(
        f"\nplanning a resume over {resume.ROWS:,} pictures, each time in a JVM just started: {statistics.median(spent):.1f} s"
        f" ({min(spent):.1f} to {max(spent):.1f}); {read:,.0f} MB read of a table of {stored:,.0f} MB"
    )
    print(f"writing prompts over fine_t2i: {grammar.speed():,.0f} a second and core")
    kept = grammar.survival(spark)
    print(f"de-duplicating {grammar.PROMPTS:,} of them: {kept[True]:.1%} kept, by the cosine alone {kept[False]:.1%}")
    deduplication.measure(spark)
    spark.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())

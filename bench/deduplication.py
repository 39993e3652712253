"""De-duplication of prompts against SemHash and datatrove's MinHash, its recall, and how its time grows.

`python -m bench.deduplication`. 50,000 prompts with planted truth (bench/prompt_corpus.py); all of them bring only their text and
style. The three get the same two cores; SemHash and ours the same vectors, whose making is timed apart. Ours is the
whole job after the vectors: read the tables, compare, write prompt_duplicates.

How it grows: reading, placing, sorting and writing take a fixed time a prompt, with two shuffles of 1.5 KB each; comparing takes a time a
pair. Of a set of n prompts every pair is compared up to WHOLE_SET of them, then those of a prompt's own cell and of `probes` more of
`cells`. Two times of one size, with the guard (many sets) and without (one), say what a prompt and what a pair takes; a larger corpus is taken to
have the same sets, each larger.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from bench.pairs import ROUNDS, seconds
from bench.prompt_corpus import Prompt, corpus
from conf.recipe import Deduplication
from jobs import prompt_rounds
from jobs.deduplicate_prompts import duplicates, embedded, to_compare
from jobs.prompt_rounds import stored
from jobs.session import start_spark
from schemas.delta import Lakehouse, with_run
from schemas.tables import TABLES
from udfs.embedders import Vectors, minilm
from udfs.prompt_cells import placing
from udfs.prompt_groups import PLACED

PEERS = (
    "semhash==0.5.0",
    "datatrove==0.10.1",
    "nltk",
    "spacy>=3.8,<4",
    "xxhash<4",
    "regex",
    "tokenizers",
    "fasteners",
    "pyarrow",
)
THRESHOLDS = (0.8, 0.9)  # of SemHash: ours, and its own default
STRICTER = 0.85  # ours once more, with a cosine above the default
SIZES = (50_000, 100_000, 200_000)
GOAL, CORES, GOAL_CORES = 10_000_000, 2, 16
SMALL_SET = 500
RUN = "0" * 16

Pairs = Iterable[tuple[int, int]]


@dataclass(frozen=True)
class Quality:
    """kept: prompts left. f1: of removed pairs, right where both say the same. lost: share of the contrast prompts, and of those that
    they contrast with, of whose like none is left.
    """

    kept: int
    precision: float
    recall: float
    lost: float

    @property
    def f1(self) -> float:
        return 2 * self.precision * self.recall / (self.precision + self.recall or 1)


def quality(prompts: list[Prompt], pairs: Pairs) -> Quality:
    removed = dict(pairs)
    right = sum(prompts[one].group == prompts[other].group for one, other in removed.items())
    groups = {prompt.group for prompt in prompts}
    left = {prompt.group for number, prompt in enumerate(prompts) if number not in removed}
    contrasts = {g for p in prompts if p.contrast_of is not None for g in (p.group, p.contrast_of)}
    return Quality(
        kept=len(prompts) - len(removed),
        precision=right / max(1, len(removed)),
        recall=right / max(1, len(prompts) - len(groups)),
        lost=len(contrasts - left) / max(1, len(contrasts)),
    )


@dataclass(frozen=True)
class Measured:
    """seconds of each round; quality of the answer. Of ours without the model's time."""

    seconds: list[float]
    quality: Quality


def measure(spark: SparkSession) -> None:
    """Print it all."""
    prompts = corpus()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(spark, Path(folder) / "prompts")
        bench.fill(_columns(prompts))
        model = bench.embed()
        print(
            f"{len(prompts):,} prompts, {len({p.group for p in prompts}):,} distinct; embeddings: {model:.0f} s",
            flush=True,
        )
        bench.export(prompts, Path(folder))
        _print_peers(_rounds(bench, prompts, Path(folder)), model)
        _print_recall(bench, Path(folder))
        _print_curve(spark, Path(folder))


def _rounds(bench: Bench, prompts: list[Prompt], folder: Path) -> dict[str, Measured]:
    """All of them in turn, so that a machine whose speed drifts moves them all; the first time is not counted."""
    python = _peers_environment()
    table = folder / "ours"

    def ours(similarity: float) -> tuple[float, Pairs]:
        return bench.compare(Deduplication(similarity=similarity), table), bench.pairs(table)

    works: dict[str, Callable[[], tuple[float, Pairs]]] = {
        "ours": partial(ours, Deduplication().similarity),
        f"ours {STRICTER}": partial(ours, STRICTER),
        "MinHash": partial(_peer, python, folder, "minhash"),
    }
    for threshold in THRESHOLDS:
        works[f"SemHash {threshold}"] = partial(_peer, python, folder, "semhash", threshold)
    times: dict[str, list[float]] = {name: [] for name in works}
    answers: dict[str, Pairs] = {}
    for number in range(ROUNDS + 1):
        for name, work in works.items():
            spent, answers[name] = work()
            if number:
                times[name].append(spent)
    return {name: Measured(times[name], quality(prompts, answers[name])) for name in works}


def _print_peers(found: dict[str, Measured], model: float) -> None:
    print(
        "\n| what | kept | F1 | precision | recall | contrasts lost | seconds | with embeddings | ours is faster by (range) |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, each in found.items():
        good, spent = each.quality, statistics.median(each.seconds)
        total = f"{spent:.1f}" if name == "MinHash" else f"{spent + model:.1f}"
        ratios = sorted(theirs / own for own, theirs in zip(found["ours"].seconds, each.seconds, strict=True))
        print(
            f"| {name} | {good.kept:,} | {good.f1:.3f} | {good.precision:.3f} | {good.recall:.3f} | {good.lost:.2%}"
            f" | {spent:.1f} | {total} | {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) |",
            flush=True,
        )


def _print_recall(bench: Bench, folder: Path) -> None:
    """Of what comparing every pair removes, how much the cells find. With the guard the sets of this corpus are small enough
    to be compared whole, so once more with cells in all but the smallest."""
    print("\n| rules | every pair removes | cells remove of these | every pair | cells |\n|---|---|---|---|---|")
    whole = prompt_rounds.WHOLE_SET
    for what, guard, largest in (
        (f"guard, cells in sets above {whole:,}", True, whole),
        (f"guard, cells in sets above {SMALL_SET}", True, SMALL_SET),
        ("no guard (the paper)", False, whole),
    ):
        prompt_rounds.WHOLE_SET = largest
        times = [bench.compare(Deduplication(guard=guard, cells=cells), folder / str(cells)) for cells in (1, 128)]
        every, cells = ({removed for removed, _ in bench.pairs(folder / name)} for name in ("1", "128"))
        print(
            f"| 0.8, {what} | {len(every):,} | {len(every & cells) / len(every):.2%} | {times[0]:.1f} s | {times[1]:.1f} s |",
            flush=True,
        )
    prompt_rounds.WHOLE_SET = whole


def _print_curve(spark: SparkSession, folder: Path) -> None:
    """Seconds after the embeddings, and what they come to for GOAL prompts."""
    times: dict[bool, list[float]] = {True: [], False: []}
    print("\n| prompts | with the guard | without |\n|---|---|---|")
    prompts: list[Prompt] = []
    for number, size in enumerate(SIZES):
        while len(prompts) < size:
            prompts += corpus(seed=1 + len(prompts))
        chosen = prompts[:size]
        random.Random(size).shuffle(chosen)  # ids are hashes: which prompt comes first says nothing of its words
        bench = Bench(spark, folder / f"curve_{number}")
        bench.fill(_columns(chosen))
        bench.put_vectors(_word_sums([prompt.text for prompt in chosen]))
        for guard, found in times.items():
            rules = Deduplication(guard=guard)
            if not found:  # the first time is not counted
                bench.compare(rules, folder / "curve")
            found.append(bench.compare(rules, folder / "curve"))
        print(f"| {size:,} | {times[True][-1]:.1f} s | {times[False][-1]:.1f} s |", flush=True)
    sets = {True: bench.set_sizes(), False: [size]}
    pairs = {guard: _pairs(of) for guard, of in sets.items()}
    last = {guard: found[-1] for guard, found in times.items()}
    a_pair = (last[False] - last[True]) / (pairs[False] - pairs[True])
    a_prompt = (last[True] - a_pair * pairs[True]) / size
    print(f"\na prompt takes {a_prompt * CORES * 1000:.2f} core-ms, a million pairs {a_pair * CORES * 1e9:.0f}")
    for guard, sizes in sets.items():
        more = _pairs([of * GOAL / size for of in sizes])
        hours = (a_prompt * GOAL + a_pair * more) * CORES / GOAL_CORES / 3600
        grown = np.log(times[guard][-1] / times[guard][0]) / np.log(SIZES[-1] / SIZES[0])
        print(
            f"{'with' if guard else 'without'} the guard: the largest set has {max(sizes) / size:.1%} of the prompts; time grows as n^{grown:.2f};"
            f" {GOAL:,} prompts are {more:.1e} pairs, {hours:.2f} h of {GOAL_CORES} cores"
        )


def _pairs(sets: Iterable[float]) -> float:
    """How many pairs are compared, at most, with the default rules."""
    rules = Deduplication()
    return sum(n * n / 2 if n <= prompt_rounds.WHOLE_SET else n * n * (0.5 + rules.probes) / rules.cells for n in sets)


@dataclass(frozen=True)
class Bench:
    """A lakehouse with the prompts and their embeddings in it."""

    spark: SparkSession
    root: Path

    @property
    def house(self) -> Lakehouse:
        return Lakehouse(self.spark, str(self.root), "bench")

    def fill(self, prompts: pa.Table) -> None:
        """prompts: text, and what is known of labels and atoms."""
        self.house.create()
        stored_at = str(self.root / "bench_prompts.parquet")
        pq.write_table(prompts.add_column(0, "prompt_id", [_ids(len(prompts))]), stored_at)
        frame = self.house.spark.read.parquet(stored_at).withColumn("status", F.lit("ok"))
        unsaid = {name: F.lit("none") for name in ("task", "category", "style", "source", "writer")}
        frame = frame.withColumns({name: none for name, none in unsaid.items() if name not in frame.columns})
        lacking = {c.name: F.lit(None).cast(c.type) for c in TABLES["prompts"].columns if c.name not in frame.columns}
        self.house.append("prompts", with_run(frame.withColumns(lacking), RUN))

    def embed(self) -> float:
        """Seconds that the model takes for all first prompts."""
        first = self.todo().where("exact_of is null").repartition(CORES)
        return seconds(lambda: self.house.append("prompt_embeddings", with_run(embedded(first, minilm()), RUN)))

    def todo(self) -> DataFrame:
        return stored(to_compare(self.house.read("prompts"), self.house.read("prompt_duplicates")))

    def compare(self, rules: Deduplication, to: Path) -> float:
        """Seconds of all that comes after the embeddings: the job's own steps, written to a table of its own."""

        def work() -> None:
            read = self.house.read
            found = duplicates(
                self.todo(), read("prompts"), read("prompt_embeddings"), read("prompt_duplicates"), rules
            )
            found.write.format("delta").mode("overwrite").save(str(to))

        return seconds(work)

    def pairs(self, table: Path) -> list[tuple[int, int]]:
        rows = self.house.spark.read.format("delta").load(str(table)).where("kept_id <> prompt_id")
        return [
            (int(row["prompt_id"], 16), int(row["kept_id"], 16))
            for row in rows.select("prompt_id", "kept_id").collect()
        ]

    def set_sizes(self) -> list[int]:
        """Prompts in each of the guard's sets."""
        rows = self.todo().join(self.house.read("prompt_embeddings").select("prompt_id", "embedding"), "prompt_id")
        placed = rows.withColumn("known", F.lit(False)).mapInArrow(placing(True), schema=from_arrow_schema(PLACED))
        return [row["count"] for row in placed.groupBy("set").count().collect()]

    def put_vectors(self, vectors: Vectors) -> None:
        """prompt_embeddings of vectors that are there."""
        rows = pa.table({"prompt_id": _ids(len(vectors)), "embedding": pa.array(list(vectors), pa.list_(pa.float32()))})
        pq.write_table(rows, self.root / "bench_vectors.parquet")
        frame = self.spark.read.parquet(str(self.root / "bench_vectors.parquet")).repartition(CORES)
        made = {"model": F.lit(minilm().model), "seconds": F.lit(0.0), "device": F.lit("cpu"), "status": F.lit("ok")}
        made |= {name: F.lit(None).cast("string") for name in ("error_class", "error_message")}
        self.house.append("prompt_embeddings", with_run(frame.withColumns(made), RUN))

    def export(self, prompts: list[Prompt], folder: Path) -> None:
        """What the peers read: texts, and for each the vector of the first with its words."""
        copies = self.todo().select("prompt_id", F.expr("coalesce(exact_of, prompt_id)").alias("first"))
        vectors = self.house.read("prompt_embeddings").select(F.col("prompt_id").alias("first"), "embedding")
        rows = copies.join(vectors, "first").orderBy("prompt_id").select("embedding").toArrow()
        assert rows.num_rows == len(prompts)
        np.save(folder / "vectors.npy", np.stack(rows["embedding"].to_numpy()).astype(np.float32))
        (folder / "prompts.json").write_text(json.dumps([prompt.text for prompt in prompts]))


def _columns(prompts: list[Prompt]) -> pa.Table:
    return pa.table({"text": [prompt.text for prompt in prompts], "style": [prompt.style for prompt in prompts]})


def _ids(many: int) -> list[str]:
    return [f"{number:032x}" for number in range(many)]


def _word_sums(texts: list[str]) -> Vectors:
    """Unit sums of the centered vectors of a text's words: for timings of sizes that would take the model an hour."""
    words = sorted({word for text in texts for word in text.split()})
    model = minilm().load("cpu")
    found = np.concatenate([model.encode([model.tokens(word)]) for word in words])
    vector = dict(zip(words, found - found.mean(axis=0), strict=True))
    sums = np.stack([np.sum([vector[word] for word in text.split()], axis=0) for text in texts])
    return np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True), dtype=np.float32)


def _peers_environment() -> Path:
    """The python of an environment that holds the peers and nothing of Goldpan's; made with uv, kept for the next time."""
    folder, uv = Path(tempfile.gettempdir()) / "goldpan_bench_peers", str(Path(sys.executable).with_name("uv"))
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", str(python), *PEERS], check=True)
    return python


def _peer(python: Path, folder: Path, *arguments: object) -> tuple[float, Pairs]:
    """(seconds, pairs) that a peer says, in a process of its own on two cores."""
    for left in folder.glob("minhash_*"):
        shutil.rmtree(left)
    peer, *rest = map(str, arguments)
    script = str(Path(__file__).with_name("peers_deduplication.py"))
    both = os.environ | {"OMP_NUM_THREADS": str(CORES)}  # make's is for two workers beside each other
    ran = subprocess.run([str(python), script, peer, str(folder), *rest], capture_output=True, text=True, env=both)
    if ran.returncode:
        raise RuntimeError(f"{peer}: {ran.stderr[-2000:]}")
    answer = json.loads((folder / f"{peer}.json").read_text())
    return answer["seconds"], answer["pairs"]


if __name__ == "__main__":
    session = start_spark("goldpan bench")
    measure(session)
    session.stop()

"""Rounds on Spark: many small worlds at once, each a set of its own, with cells that cut through what is alike."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

import jobs.prompt_rounds as prompt_rounds
from jobs.prompt_rounds import compared_in_places, stored
from udfs.prompt_groups import NO_CELL, NO_FACTS, PLACED, Vectors

ALIKE = float(np.cos(np.radians(10.0)))
Answer = dict[str, tuple[str, float | None]]
Rows = list[dict[str, Any]]
Homes = dict[str, tuple[int, list[int]]]


def world(seed: int, worlds: int) -> Rows:
    """Vectors of a plane: up to 15 a world, crowded, so that chains of like ones cross several cells."""
    draw = np.random.default_rng(seed)
    rows = []
    for number in range(worlds):
        for angle in draw.integers(0, 180, draw.integers(1, 16)):
            name, facts = f"{draw.integers(1 << 60):016x}", int(draw.choice([NO_FACTS, NO_FACTS, 1, 2]))
            vector = direction(float(angle)).tobytes()
            rows.append({"prompt_id": name, "set": number, "vector": vector, "facts": facts})
    return rows


def direction(degrees: float) -> Vectors:
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], dtype=np.float32)


def compare(spark: SparkSession, rows: Rows, known: set[str], tasks: int) -> Answer:
    """prompt -> (what stands for it, cosine), for those that are not known."""
    placed_by = {"cell": F.lit(NO_CELL), "visits": F.array(), "started": F.timestamp_micros(F.lit(0))}
    frame = spark.createDataFrame(
        [{"facts": NO_FACTS} | row for row in rows], "prompt_id string, set bigint, vector binary, facts bigint"
    )
    before = F.col("prompt_id").isin(known) if known else F.lit(False)
    placed = frame.repartition(tasks).withColumns({**placed_by, "known": before})
    schema = from_arrow_schema(PLACED)
    columns = [F.col(field.name).cast(field.dataType).alias(field.name) for field in schema]
    answers = compared_in_places(stored(placed.select(*columns)), ALIKE, cells=9, probes=1)
    found = [row for frame in answers for row in frame.collect()]
    assert len({row["prompt_id"] for row in found}) == len(found), "each is answered once"
    return {row["prompt_id"]: (row["kept_id"], row["similarity"]) for row in found}


@pytest.fixture
def homes(monkeypatch: pytest.MonkeyPatch) -> Homes:
    """Every set is cut into cells. prompt -> its cell and those that it visits, of the comparison that was the last."""
    monkeypatch.setattr(prompt_rounds, "WHOLE_SET", 0)
    celled, found = prompt_rounds._with_cells, Homes()

    def with_cells(*arguments: Any) -> DataFrame:
        placed = celled(*arguments)
        found.clear()
        found.update({row["prompt_id"]: (row["cell"], row["visits"]) for row in placed.collect()})
        return placed

    monkeypatch.setattr(prompt_rounds, "_with_cells", with_cells)
    return found


def alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Of one set, with facts that do not differ, and as similar as a duplicate is."""
    vectors = (np.frombuffer(row["vector"], np.float32) for row in (one, other))
    agreed = one["facts"] == other["facts"] or NO_FACTS in (one["facts"], other["facts"])
    return one["set"] == other["set"] and agreed and round(float(np.dot(*vectors)), 6) >= ALIKE


def decided_rightly(rows: Rows, answers: Answer, known: set[str], homes: Homes) -> set[str]:
    """Each that is gone is like the kept one that stands for it, and of those that meet no two alike are kept. The kept."""
    by_name = {row["prompt_id"]: row for row in rows}
    assert answers.keys() == by_name.keys() - known
    kept = known | {name for name, (stands, _) in answers.items() if stands == name}
    for name, (stands, cosine) in answers.items():
        assert stands in kept, "a duplicate stands for nobody"
        assert alike(by_name[name], by_name[stands])
        assert (cosine is None) == (stands == name)
        if cosine is not None:
            vectors = [np.frombuffer(by_name[each]["vector"], np.float32) for each in (name, stands)]
            assert cosine == pytest.approx(float(np.dot(*vectors)), abs=2e-6)
    for one, other in combinations(sorted(kept), 2):
        (here, visited), (there, also_visited) = homes[one], homes[other]
        if here == there or there in visited or here in also_visited:
            new = not {one, other} <= known
            assert not (new and alike(by_name[one], by_name[other])), f"{one} and {other} meet and are alike"
    return kept


@pytest.mark.parametrize("seed", [0, 1])
def test_of_those_that_meet_no_two_alike_are_kept(spark: SparkSession, homes: Homes, seed: int) -> None:
    rows = world(seed, worlds=12)
    kept = decided_rightly(rows, compare(spark, rows, set(), tasks=2), set(), homes)
    assert len(kept) < len(rows)
    assert len({cell for cell, _ in homes.values()}) > 1


@pytest.mark.parametrize("seed", [30, 36])  # here a new one is like a known one whose cell it does not visit
def test_nor_are_they_when_some_were_kept_before(spark: SparkSession, homes: Homes, seed: int) -> None:
    """What was kept stays kept, and stands for what comes later."""
    rows = world(seed, worlds=12)
    names = [row["prompt_id"] for row in rows]
    known = {*np.random.default_rng(seed).choice(names, len(names) // 4, replace=False).tolist()}
    decided_rightly(rows, compare(spark, rows, known, tasks=2), known, homes)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 4])
def test_it_does_not_matter_how_spark_cuts_the_rows(spark: SparkSession, homes: Homes, seed: int) -> None:
    rows = world(seed, worlds=40)
    answers = compare(spark, rows, set(), tasks=1)
    decided_rightly(rows, answers, set(), homes)
    assert compare(spark, rows[::-1], set(), tasks=5) == answers


def test_a_crowd_across_a_border_is_decided_at_once(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are like the first prompt, which lives in the other cell, and like each other: none must wait for the rest."""
    monkeypatch.setattr(prompt_rounds, "WHOLE_SET", 0)
    monkeypatch.setattr(prompt_rounds, "_centers", lambda placed, cells: np.stack([direction(0.0), direction(10.0)]))
    rounds = []
    through_places = prompt_rounds._by_place

    def counted(*arguments: Any) -> Any:
        rounds.append(arguments)
        return through_places(*arguments)

    monkeypatch.setattr(prompt_rounds, "_by_place", counted)
    angles = {"0": 0.0} | {f"{number:02d}": float(each) for number, each in enumerate(np.linspace(5.5, 9.5, 30), 1)}
    rows = [{"prompt_id": name, "set": 1, "vector": direction(angle).tobytes()} for name, angle in angles.items()]
    answers = compare(spark, rows, set(), tasks=2)
    assert {stands for stands, _ in answers.values()} == {"0"}
    assert len(rounds) == 2


def test_what_was_kept_stands_in_every_round(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """d is more like c, which is kept for now only; when c turns out a duplicate of b, d is still like a."""
    monkeypatch.setattr(prompt_rounds, "WHOLE_SET", 0)
    monkeypatch.setattr(prompt_rounds, "_centers", lambda placed, cells: np.stack([direction(5.0), direction(35.0)]))
    angles = {"a": 0.0, "b": 24.0, "c": 15.0, "d": 8.0}
    rows = [{"prompt_id": name, "set": 1, "vector": direction(angle).tobytes()} for name, angle in angles.items()]
    answers = compare(spark, rows, {"a"}, tasks=2)
    assert {name: stands for name, (stands, _) in answers.items()} == {"b": "b", "c": "b", "d": "a"}


def test_it_does_not_matter_which_of_two_visits_the_other(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """a visits the cell of b, b another one than that of a; both are alike."""
    monkeypatch.setattr(prompt_rounds, "WHOLE_SET", 0)
    monkeypatch.setattr(prompt_rounds, "_centers", lambda placed, cells: np.stack([*map(direction, (0.0, 12.0, 18.0))]))
    rows = [
        {"prompt_id": name, "set": 1, "vector": direction(angle).tobytes()} for name, angle in (("a", 5.0), ("b", 13.5))
    ]
    answers = compare(spark, rows, set(), tasks=2)
    assert {name: stands for name, (stands, _) in answers.items()} == {"a": "a", "b": "a"}

"""Rounds on Spark: many small worlds at once, each a set of its own, with cells that cut through what is alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

import jobs.prompt_rounds as prompt_rounds
from jobs.prompt_rounds import compared_in_places, stored
from udfs.prompt_groups import NO_CELL, NO_FACTS, PLACED, Vectors

ALIKE = float(np.cos(np.radians(10.0)))
Answer = dict[str, tuple[str, float | None]]


def world(seed: int, worlds: int = 40) -> list[dict[str, Any]]:
    """Vectors of a plane: up to 15 a world, crowded, so that chains of like ones cross several cells."""
    draw = np.random.default_rng(seed)
    rows = []
    for number in range(worlds):
        for angle in draw.integers(0, 180, draw.integers(1, 16)):
            name = f"{draw.integers(1 << 60):016x}"
            rows.append({"prompt_id": name, "set": number, "vector": direction(float(angle)).tobytes()})
    return rows


def direction(degrees: float) -> Vectors:
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], dtype=np.float32)


def compare(spark: SparkSession, rows: list[dict[str, Any]], known: set[str], tasks: int) -> Answer:
    """prompt -> (what stands for it, cosine), for those that are not known."""
    frame = spark.createDataFrame(rows, "prompt_id string, set bigint, vector binary").repartition(tasks)
    empty = {"facts": F.lit(NO_FACTS), "cell": F.lit(NO_CELL), "visits": F.array()}
    before = F.col("prompt_id").isin(known) if known else F.lit(False)
    placed = frame.withColumns({**empty, "known": before, "started": F.timestamp_micros(F.lit(0))})
    schema = from_arrow_schema(PLACED)
    columns = [F.col(field.name).cast(field.dataType).alias(field.name) for field in schema]
    answers = compared_in_places(stored(placed.select(*columns)), ALIKE, cells=9, probes=1)
    found = [row for frame in answers for row in frame.collect()]
    assert len({row["prompt_id"] for row in found}) == len(found), "each is answered once"
    return {row["prompt_id"]: (row["kept_id"], row["similarity"]) for row in found}


@pytest.mark.slow
@settings(max_examples=1, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 30))
def test_each_is_like_the_one_that_stands_for_it_however_spark_cuts_the_rows(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(prompt_rounds, "WHOLE_SET", 0)
    rows = world(seed)
    vectors = {row["prompt_id"]: np.frombuffer(row["vector"], np.float32) for row in rows}
    sets = {row["prompt_id"]: row["set"] for row in rows}
    answers = compare(spark, rows, set(), tasks=1)
    assert answers.keys() == vectors.keys()
    kept = {name for name, (stands, _) in answers.items() if stands == name}
    for name, (stands, cosine) in answers.items():
        assert stands in kept, "a duplicate stands for nobody"
        assert sets[stands] == sets[name]
        assert (cosine is None) == (stands == name)
        if cosine is not None:
            assert cosine == pytest.approx(float(vectors[name] @ vectors[stands]), abs=2e-6)
            assert cosine >= ALIKE - 1e-6
    assert compare(spark, rows[::-1], set(), tasks=5) == answers

    # what was kept stays kept, and stands for what comes later
    draw = np.random.default_rng(seed + 1)
    first = [row for row in rows if draw.random() < 0.5]
    before = compare(spark, first, set(), tasks=2)
    known = {name for name, (stands, _) in before.items() if stands == name}
    later = compare(spark, [row for row in rows if row["prompt_id"] not in before.keys() - known], known, tasks=2)
    assert not later.keys() & before.keys()
    new = {name for name, (stands, _) in later.items() if stands == name}
    assert all(stands in known | new for stands, _ in later.values())


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

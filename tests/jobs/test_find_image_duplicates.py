"""scores given -> groups of pictures that look the same expected."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import DataFrame, Row, SparkSession

from jobs import find_image_duplicates
from jobs.find_image_duplicates import COLOR_DISTANCE, HASH_DISTANCE, band_masks, components, grouped, near_pairs
from jobs.launch import Context
from schemas.delta import Lakehouse
from tests.jobs.pictures import append
from tests.recipes import small_recipe

DDL = (
    "image_id string, phash string, mean_color array<float>, group_id string, phash_distance int, color_distance double"
)


def flipped(phash: int, bits: int, seed: int = 0) -> int:
    for bit in random.Random(seed).sample(range(64), bits):
        phash ^= 1 << bit
    return phash


def color(level: float) -> list[float]:
    return [float(level)] * 48


def scored(image_id: str, phash: str | None) -> dict[str, object]:
    labels = {"task": "none", "category": "none", "style": "none"}
    return labels | {"image_id": image_id, "phash": phash, "mean_color": color(1), "reasons": {}, "revisions": {}}


def groups(
    spark: SparkSession, rows: list[tuple[str, int, list[float]]], known: dict[str, Row] | None = None
) -> dict[str, Row]:
    """known: what an earlier call gave for some of the rows."""
    facts = {image_id: tuple(row)[1:4] for image_id, row in (known or {}).items()}
    fresh = (None, None, None)
    data = [(image_id, f"{phash:016x}", grid, *facts.get(image_id, fresh)) for image_id, phash, grid in rows]
    return {row["image_id"]: row for row in grouped(spark.createDataFrame(data, DDL)).collect()}


def test_near_hashes_and_near_colors_are_one_group_and_distances_are_to_the_nearest(spark: SparkSession) -> None:
    start = 0xF0E1D2C3B4A59687
    got = groups(
        spark,
        [
            ("a", start, color(100)),
            ("b", start ^ 0b111111, color(100 + COLOR_DISTANCE)),
            ("c", start ^ (0b1111111 << 20), color(100)),
            ("d", start ^ (0b11 << 40), color(101 + COLOR_DISTANCE)),
            ("e", 0x0123456789ABCDEF, color(50)),
            ("f", 0x0123456789ABCDEF, color(50)),
        ],
    )
    assert (got["b"]["group_id"], got["b"]["phash_distance"], got["b"]["color_distance"]) == ("a", 6, 12.0)
    assert (got["a"]["group_id"], got["a"]["phash_distance"]) == ("a", 6)
    assert (got["c"]["group_id"], got["c"]["phash_distance"]) == ("c", None), "7 bits away from a"
    assert (got["d"]["group_id"], got["d"]["phash_distance"]) == ("d", None), "13 levels from a, 8 bits from b"
    assert (got["f"]["group_id"], got["f"]["phash_distance"], got["f"]["color_distance"]) == ("e", 0, 0.0)
    assert (got["e"]["phash_distance"], got["e"]["color_distance"]) == (0, 0.0)
    assert got["c"]["color_distance"] is None


def test_a_group_is_all_that_pairs_connect(spark: SparkSession) -> None:
    # a chain: each differs from the next in 4 bits, the ends in far more
    chain = [0]
    for step in range(11):
        chain.append(chain[-1] ^ (0b1111 << 4 * step))
    order = [5, 3, 9, 0, 11, 7, 1, 8, 2, 10, 4, 6]
    got = groups(spark, [(f"i{place:02d}", chain[link], color(10)) for place, link in enumerate(order)])
    assert {row["group_id"] for row in got.values()} == {"i00"}
    assert {row["phash_distance"] for row in got.values()} == {4}


def test_banding_finds_every_pair_that_comparing_all_would_find(spark: SparkSession) -> None:
    rng = random.Random(3)
    hashes = [rng.getrandbits(64) for _ in range(12)]
    hashes += [flipped(phash, rng.randint(1, 8), seed=n) for n, phash in enumerate(hashes * 4)]
    rows = [(f"i{n:03d}", f"{phash:016x}", color(rng.uniform(90, 110))) for n, phash in enumerate(hashes)]
    nodes = spark.createDataFrame(rows, "node string, phash string, mean_color array<float>")
    got = {(row["a"], row["b"]): row["phash_distance"] for row in near_pairs(nodes, nodes).collect()}
    wanted = {}
    for (one, left, left_color), (other, right, right_color) in combinations(rows, 2):
        distance = (int(left, 16) ^ int(right, 16)).bit_count()
        if distance <= HASH_DISTANCE and abs(left_color[0] - right_color[0]) <= COLOR_DISTANCE:
            wanted[one, other] = distance
    assert len(wanted) > 20
    assert got == wanted


@given(st.integers(0, 2**64 - 1), st.sets(st.integers(0, 63), max_size=HASH_DISTANCE))
def test_two_bands_of_near_hashes_are_equal(phash: int, bits: set[int]) -> None:
    other = phash ^ sum(1 << bit for bit in bits)
    assert any(phash & mask == other & mask for mask in band_masks())


def test_two_bands_are_16_bits_so_that_few_hashes_meet() -> None:
    masks = band_masks()
    assert len(set(masks)) == 28
    assert {(mask % 2**64).bit_count() for mask in masks} == {16}
    assert all(-(2**63) <= mask < 2**63 for mask in masks), "Spark's bigint"


@pytest.mark.slow
def test_fresh_pictures_change_the_groups_as_if_all_had_come_at_once(spark: SparkSession) -> None:
    """Copies, near ones, a bridge between known groups, and ids that come before all that are known."""
    start, far = 0xF0E1D2C3B4A59687, 0x0123456789ABCDEF
    rows = [
        ("m", start, color(100)),
        ("n", start, color(100)),
        ("o", start ^ 0b1111, color(100)),
        ("p", start ^ (0b1111 << 8), color(102)),
        ("q", start ^ (0b1111 << 8) ^ (0b11111 << 16), color(102)),
        ("r", far, color(50)),
        ("s", far ^ 0b11, color(53)),
        ("a", far ^ 0b1, color(50)),
        ("b", 0, color(1)),
        ("c", start ^ 0b1111, color(100)),
        ("z", start ^ 0b1111 ^ (0b11 << 30), color(101)),
    ]
    at_once = groups(spark, rows)
    assert "".join(at_once[image_id]["group_id"] for image_id, _, _ in rows) == "cccccaaabcc"
    for first in ("moqrs", "nprcz"):
        known = groups(spark, [row for row in rows if row[0] in first])
        assert groups(spark, rows, known) == at_once


def test_components_of_no_pairs_are_none(spark: SparkSession) -> None:
    assert components(spark.createDataFrame([], "a string, b string")).collect() == []


def test_only_fresh_pictures_are_compared_until_a_known_one_is_scored_again_or_goes(
    spark: SparkSession, lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    compared = []

    def watched(some: DataFrame, nodes: DataFrame) -> DataFrame:
        compared.append(sorted(row["node"] for row in some.select("node").collect()))
        return near_pairs(some, nodes)

    def found(run_id: str) -> dict[str, tuple[str, str]]:
        find_image_duplicates.run(replace(context, run_id=run_id))
        rows = lakehouse.read("image_duplicates").collect()
        return {row["image_id"]: (row["group_id"], row["run_id"]) for row in rows}

    monkeypatch.setattr(find_image_duplicates, "near_pairs", watched)
    context = Context(spark, small_recipe(lakehouse), lakehouse, "run1")
    append(spark, lakehouse, "scores", [scored("b", "00000000000000ff"), scored("x", None)], "scored1")
    find_image_duplicates.run(replace(context, plan=True))
    assert "1 pictures not compared yet; they would be compared with all 1" in capsys.readouterr().out
    assert lakehouse.version("image_duplicates") == 0
    assert found("run1") == found("run2") == {"b": ("b", "run1")}
    assert lakehouse.version("image_duplicates") == 1
    assert "image_duplicates: nothing to do" in capsys.readouterr().out

    append(spark, lakehouse, "scores", [scored("a", "00000000000000fe")], "scored2")
    assert found("run3") == {"a": ("a", "run3"), "b": ("a", "run3")}, "a smaller id renames the group"
    assert "2 pictures; 1 groups of several" in capsys.readouterr().out

    at = f"delta.`{lakehouse.path('scores')}`"
    spark.sql(f"update {at} set seconds = 2, created_at = current_timestamp() where image_id = 'a'")
    append(spark, lakehouse, "scores", [scored("c", "00000000000000fc")], "scored3")
    find_image_duplicates.run(replace(context, plan=True))
    assert "they would be compared with all 3" in capsys.readouterr().out, "a's scores changed, not its hash"
    spark.sql(f"update {at} set phash = 'ffffffffffffffff' where image_id = 'a'")
    find_image_duplicates.run(replace(context, plan=True))
    assert "1 pictures not compared yet; all 3 would be grouped anew" in capsys.readouterr().out
    assert found("run4") == {"a": ("a", "run4"), "b": ("b", "run4"), "c": ("b", "run4")}
    spark.sql(f"delete from {at} where image_id = 'b'")
    assert found("run5") == {"a": ("a", "run5"), "c": ("c", "run5")}
    assert compared == [["b"], ["a"], ["a", "b", "c"], ["a", "c"]]

"""Pictures and what gates said of them -> how right the gates were, by the oracle."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from PIL import Image

from demo.measure_gates import Gate, Share, Truth, along_the_way, asked, gate_table, judged, sweep_table
from demo.prompts import Prompts
from demo.scenes import scene_for
from udfs.atoms import ARROW

POLICY = "p"
RIGHT = [f"right_{n}" for n in range(10)]
WRONG = [f"wrong_{n}" for n in range(30)]
# gate -> (minimum, maximum, image_id -> value; None: not asked)
GATES: dict[str, tuple[float | None, float | None, dict[str, Any]]] = {
    "good": (1.0, None, {id_: float(n) for n, id_ in enumerate(RIGHT)} | dict.fromkeys(WRONG, 0.5)),
    "chance": (None, 0.5, {id_: float(n % 5 == 0) for group in (RIGHT, WRONG) for n, id_ in enumerate(group)}),
    "idle": (0.0, None, dict.fromkeys(RIGHT + WRONG, 1.0)),
    "seldom": (0.5, None, dict.fromkeys(RIGHT[:3], 1.0) | {WRONG[0]: 0.0} | dict.fromkeys(RIGHT[3:])),
}


@pytest.fixture
def lakehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """The three views that are read; every picture has a prompt of its own."""
    atoms = Prompts(0).draw().atoms
    drawn = scene_for(atoms, 64, 64, random.Random(0)).draw()
    bytes_of = {"right": _png(drawn), "wrong": _png(Image.new("RGB", (64, 64), (238, 241, 245)))}
    pictures: list[tuple[Any, ...]] = [
        (id_, f"prompt of {id_}", atoms, bytes_of[id_.split("_")[0]]) for id_ in RIGHT + WRONG
    ]
    pictures.append(("brought", "prompt of a person", None, bytes_of["right"]))
    kept = [(id_, id_ in RIGHT[:6] + WRONG[:2], id_ in RIGHT[:3] + WRONG[:1]) for id_ in [*RIGHT, *WRONG, "brought"]]
    gates = [
        (gate, id_, None if value is None else _passes(value, minimum, maximum), value, minimum, maximum)
        for gate, (minimum, maximum, values) in GATES.items()
        for id_, value in (values | {"brought": 0.0}).items()
    ]
    connection = duckdb.connect()
    kinds = {"atoms": ARROW, "minimum": pa.float64(), "maximum": pa.float64()}
    tables: list[tuple[str, list[tuple[Any, ...]], tuple[str, ...]]] = [
        ("candidates", pictures, ("image_id", "prompt_id", "atoms", "image")),
        ("image_decisions", kept, ("image_id", "passes_floors", "kept")),
        ("image_gates", gates, ("gate", "image_id", "passed", "value", "minimum", "maximum")),
    ]
    for name, rows, columns in tables:
        table = pa.table({
            column: pa.array([row[place] for row in rows], type=kinds.get(column))
            for place, column in enumerate(columns)
        })  # fmt: skip
        connection.register("given", table)
        connection.execute(f"create table {name} as select *, '{POLICY}' as policy, 'generated' as kind from given")
    yield connection
    connection.close()


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _passes(value: float, minimum: float | None, maximum: float | None) -> bool:
    return (minimum is None or value >= minimum) and (maximum is None or value <= maximum)


def test_the_interval_is_wilsons_and_pictures_of_one_prompt_count_as_one() -> None:
    low, high = Share(8, 10, 10).interval
    assert (round(low, 3), round(high, 3)) == (0.49, 0.943)  # the textbook's 8 of 10
    alike = Truth({str(n): str(n // 5) for n in range(20)}, set())
    assert alike.share(alike.prompts, {str(n) for n in range(10)}).effective == pytest.approx(3)
    assert alike.share(alike.prompts, alike.prompts).effective == 4
    assert str(alike.share([], [])) == "none of none"


def test_right_ones_along_the_way(lakehouse: duckdb.DuckDBPyConnection) -> None:
    truth = judged(lakehouse, POLICY)
    assert truth.right == {*RIGHT}
    shares = along_the_way(lakehouse, POLICY, truth)
    assert [(share.hits, share.total) for share in shares.values()] == [(10, 40), (6, 8), (3, 4), (6, 10)]


def test_a_gate_is_measured_both_ways_on_both_classes_and_a_star_says_that_it_may_be_chance(
    lakehouse: duckdb.DuckDBPyConnection,
) -> None:
    truth = judged(lakehouse, POLICY)
    header, *lines = gate_table(asked(lakehouse, POLICY, truth), truth)
    assert header == ["", "wrong among rejected", "rejected among wrong", "right among passed", "passed among right"]
    # idle rejects nothing; seldom is measured on the four pictures that it was asked about
    assert [[line[0], *(share.split()[-1] for share in line[1:])] for line in lines] == [
        ["good", "30/31", "30/30", "9/9", "9/10"],
        ["chance*", "6/8", "6/30", "8/32", "8/10"],
        ["seldom*", "1/1", "1/1", "3/3", "3/3"],
    ]
    assert lines[0][1] == " 97% [83, 99] 30/31"


def test_a_sweep_lists_what_each_limit_costs(lakehouse: duckdb.DuckDBPyConnection) -> None:
    truth = judged(lakehouse, POLICY)
    header, *lines = sweep_table(asked(lakehouse, POLICY, truth), truth)
    assert header == ["", "limit", "rejected among right", "rejected among wrong"]
    found = [[*line[:2], *(share.split()[-1] for share in line[2:])] for line in lines]
    assert [line for line in found if line[0] == "good minimum"] == [
        ["good minimum", "0", "0/10", "0/30"],
        ["good minimum", "1 (policy)", "1/10", "30/30"],
        ["good minimum", "2", "2/10", "30/30"],
        ["good minimum", "5", "5/10", "30/30"],
    ]
    assert [line for line in found if line[0] == "chance maximum"] == [
        ["chance maximum", "1", "0/10", "0/30"],
        ["chance maximum", "0.5 (policy)", "2/10", "6/30"],
        ["chance maximum", "0", "2/10", "6/30"],
    ]


def test_a_picture_without_the_score_is_rejected_at_every_limit() -> None:
    gate = Gate({"b": None}, {"a": 1.0, "c": 1.0}, {("minimum", 0.5)})
    _, *lines = sweep_table({"g": gate}, Truth({id_: id_ for id_ in "abc"}, {"a"}))
    assert [[line[1], line[3].split()[-1]] for line in lines] == [["0.5 (policy)", "1/2"], ["1", "1/2"]]

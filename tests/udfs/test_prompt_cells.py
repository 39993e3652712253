"""Where a prompt is compared: sets of equal attributes, cells that do not depend on the order of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from udfs.atoms import ARROW, Atom, atom
from udfs.prompt_cells import CENTERS, celling, centers, nearest_cells, placing, training
from udfs.prompt_groups import NO_CELL, NO_FACTS, matrix

RED, TWO = atom("color", "fox", "red"), atom("count", "fox", "2")
PLACE = atom("place", "picture", "snow")


def place(text: str, atoms: list[Atom] | None = None, style: str = "flat", guard: bool = True) -> dict[str, Any]:
    columns = {
        "prompt_id": pa.array(["p"]),
        "started": pa.array([0], pa.timestamp("us", tz="UTC")),
        "known": pa.array([False]),
        "text": pa.array([text]),
        "atoms": pa.array([atoms], ARROW),
        "category": pa.array(["snow"]),
        "style": pa.array([style]),
        "embedding": pa.array([[0.6, 0.8]], pa.list_(pa.float32())),
    }
    (found,) = placing(guard)([pa.RecordBatch.from_pydict(columns)])
    return dict(found.to_pylist()[0])


def test_equal_attributes_make_one_set() -> None:
    assert place("a red fox")["set"] == place("the fox is red")["set"]
    assert place("a red fox")["set"] != place("a blue fox")["set"]
    assert place("a red fox")["set"] != place("a red fox", style="outline")["set"]


def test_where_no_style_tells_the_medium_the_words_do() -> None:
    painted, photo = "an oil painting of a fox", "a photo of a fox"
    assert place(painted, style="none")["set"] != place(photo, style="none")["set"]
    assert place(painted, style="none")["set"] == place("a fox, oil painting", style="none")["set"]
    assert place(photo, style="none")["set"] == place("a fox", style="none")["set"]
    assert place(painted)["set"] == place(photo)["set"]


def test_without_the_guard_all_is_one_set() -> None:
    found = [place("a red fox", [RED], guard=False), place("two cats", style="outline", guard=False)]
    assert [(row["set"], row["facts"]) for row in found] == [(0, NO_FACTS)] * 2


def test_atoms_go_before_words_and_meet_words_that_say_the_same() -> None:
    assert place("whatever", [RED, PLACE])["set"] == place("a red fox in the snow")["set"]
    assert place("a blue fox", [RED, TWO])["set"] == place("two red foxes")["set"]


def test_facts_are_the_things_asked_for_in_any_order() -> None:
    assert place("x", [RED, TWO])["facts"] == place("y", [TWO, RED])["facts"]
    assert place("x", [RED])["facts"] != place("x", [RED, TWO])["facts"]
    assert place("x", [RED, TWO])["facts"] == place("x", [RED, TWO, PLACE])["facts"], "a place is for the cosine"
    assert place("x")["facts"] == NO_FACTS


def test_the_vector_is_the_embedding() -> None:
    row = place("a fox")
    assert np.allclose(np.frombuffer(row["vector"], np.float32), [0.6, 0.8])
    assert row["cell"] == NO_CELL


def unit(rows: int, width: int = 8) -> np.ndarray:
    vectors = np.random.default_rng(0).standard_normal((rows, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def sample(order: np.ndarray) -> pa.RecordBatch:
    vectors = unit(60)
    columns = {"prompt_id": [f"{row:03d}" for row in order], "vector": [vectors[row].tobytes() for row in order]}
    return pa.RecordBatch.from_pydict(columns)


def test_the_centers_do_not_depend_on_the_order_of_the_sample() -> None:
    one, other = (list(training(5)([sample(order)])) for order in (np.arange(60), np.arange(60)[::-1]))
    assert one == other
    assert one[0].schema == CENTERS
    assert one[0].num_rows == 5


def test_no_more_centers_than_different_prompts() -> None:
    assert len(centers(np.repeat(unit(3), 4, axis=0), 128)) == 3


def test_a_prompt_lives_in_the_nearest_cell_and_visits_the_next() -> None:
    row = pa.RecordBatch.from_pylist([place("a fox")], schema=None)
    vectors, found = matrix(row["vector"]), np.array([[0, 1], [1, 0], [0.6, 0.8]], dtype=np.float32)
    assert nearest_cells(vectors, found, 2).tolist() == [[2, 0]]
    (celled,) = celling(found, probes=1)([row])
    assert (celled["cell"].to_pylist(), celled["visits"].to_pylist()) == ([2], [[0]])

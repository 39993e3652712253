"""The views that report on prompts: rows given, counts expected."""

from __future__ import annotations

import datetime
import itertools
from typing import Any

import pytest

from tests.schemas.world import CIRCLE, NOW, RED, World

BLUE = RED | {"value": "blue"}
NO_STAR = {"kind": "absence", "subject": "star", "value": "absent", "other": None}


@pytest.fixture
def world() -> World:
    """Five prompts in two strata: one repeats another, one is too short; one enhanced text lost a fact."""
    world = World()
    world.gate("prompt_words", "prompt", minimum=0.4)
    world.gate("prompt_atoms_held", "prompt", minimum=0.5)
    snow: dict[str, Any] = {"category": "snow", "template": "tags", "writer": "grammar@1"}
    for prompt_id, atoms in (("p1", [CIRCLE, RED]), ("p2", [CIRCLE, BLUE, RED]), ("copy", [CIRCLE, RED])):
        world.prompt(prompt_id, atoms, **snow)
    world.prompt("short", [NO_STAR], writer="file", template=None)
    world.prompt("brought", None, writer="file", template=None)
    world.tables["prompt_duplicates"][2] |= {"kept_id": "p1", "reason": "semantic"}
    world.tables["prompt_scores"][3]["prompt_words"] = 0.1
    world.enhanced("p1")
    world.enhanced("p2", prompt_atoms_held=0.25, lost_atoms=["color circle blue"])
    return world


def test_the_funnel_of_prompts_is_a_stratums_own(world: World) -> None:
    columns = "category, step, gate, rows_in, fail, fail_only, rows_out"
    rows = world.ask(f"select {columns} from prompt_funnel where variant = 'original' order by category, ordinal")
    assert rows == [
        ("none", "written", None, 2, 0, 0, 2),
        ("none", "duplicates", None, 2, 0, 0, 2),
        ("none", "screen", None, 2, 0, 0, 2),
        ("none", "gate", "prompt_words", 2, 1, 1, 1),
        ("none", "gate", "prompt_atoms_held", 1, 0, 0, 1),
        ("none", "denied", None, 1, 0, 0, 1),
        ("none", "accepted", None, 1, 0, 0, 1),
        ("snow", "written", None, 3, 0, 0, 3),
        ("snow", "duplicates", None, 3, 1, 1, 2),
        ("snow", "screen", None, 2, 0, 0, 2),
        ("snow", "gate", "prompt_words", 2, 0, 0, 2),
        ("snow", "gate", "prompt_atoms_held", 2, 0, 0, 2),
        ("snow", "denied", None, 2, 0, 0, 2),
        ("snow", "accepted", None, 2, 0, 0, 2),
    ]
    enhanced = world.ask(f"select {columns} from prompt_funnel where variant = 'enhanced' order by ordinal")
    assert enhanced[0] == ("snow", "enhanced", None, 2, 0, 0, 2)
    assert enhanced[4] == ("snow", "gate", "prompt_atoms_held", 2, 1, 1, 1)
    assert all(before[6] == after[3] for before, after in itertools.pairwise(enhanced))


def test_the_strata_of_the_funnel_add_up_to_the_funnel(world: World) -> None:
    whole = world.ask("select step, gate, rows_in, fail, rows_out from funnel where kind = 'prompt' order by ordinal")
    summed = world.ask(
        "select step, gate, cast(sum(rows_in) as bigint), cast(sum(fail) as bigint), cast(sum(rows_out) as bigint)"
        " from prompt_funnel where variant = 'original' group by step, gate, ordinal order by ordinal"
    )
    assert summed == whole


def test_an_enhanced_text_that_lost_a_fact_is_rejected_with_it_and_its_original_goes_on_alone(world: World) -> None:
    rows = world.ask(
        "select prompt_id, reject_reasons, lost_atoms from rejected_texts where variant = 'enhanced' order by prompt_id"
    )
    assert rows == [("p2", ["prompt_atoms_held: 0.25 < 0.5"], ["color circle blue"])]
    texts = world.ask("select prompt_id, variant from accepted_texts where prompt_id = 'p2'")
    assert texts == [("p2", "original")]


def test_every_text_is_either_accepted_or_rejected(world: World) -> None:
    world.enhanced("short")
    accepted = world.ask("select prompt_id, variant from accepted_texts")
    rejected = world.ask("select prompt_id, variant from rejected_texts")
    assert sorted([*accepted, *rejected]) == sorted(world.ask("select prompt_id, variant from prompt_checks"))
    assert world.ask(
        "select reject_reasons from rejected_texts where prompt_id = 'short' and variant = 'enhanced'"
    ) == [(["the original is rejected"],)]


def test_redundancy_is_a_writers_and_a_templates(world: World) -> None:
    world.add("prompts", prompt_id="new", writer="file", template=None)
    columns = "writer, template, written, compared, exact, semantic, kept, share_removed"
    assert world.ask(f"select {columns} from prompt_redundancy order by writer") == [
        ("file", None, 3, 2, 0, 0, 2, 0.0),
        ("grammar@1", "tags", 3, 3, 0, 1, 2, 1 / 3),
    ]


def test_the_yield_of_a_cell_is_what_is_left_of_its_plan(world: World) -> None:
    cell: dict[str, Any] = {"writer": "grammar@1", "category": "snow", "template": "tags"}
    world.add("prompt_plan", **cell, asked=8)
    world.add("prompt_plan", **(cell | {"category": "sand"}), asked=2)
    columns = "writer, category, template, asked, written, kept, accepted, enhanced, share"
    assert world.ask(f"select {columns} from prompt_yield order by writer, category") == [
        ("file", "none", None, None, None, 2, 1, 0, None),
        ("grammar@1", "sand", "tags", 2, 0, 0, 0, 0, 0.0),
        ("grammar@1", "snow", "tags", 8, 3, 2, 2, 1, 1 / 4),
    ]


def test_lengths_are_quantiles_of_words() -> None:
    world = World()
    for n in range(1, 21):
        world.prompt(f"p{n}", template="tags", writer="grammar@1")
        world.tables["prompt_scores"][-1]["prompt_words"] = float(n)
    world.enhanced("p1", prompt_words=90.0)
    columns = "variant, model, texts, shortest, lower_tenth, median, upper_tenth, longest, mean"
    assert world.ask(f"select {columns} from prompt_lengths order by variant") == [
        ("enhanced", "enhancer@1", 1, 90.0, 90.0, 90.0, 90.0, 90.0, 90.0),
        ("original", None, 20, 1.0, 2.0, 10.0, 18.0, 20.0, 10.5),
    ]


def test_the_balance_of_facts_counts_prompts_not_things(world: World) -> None:
    world.prompt("two_red", [RED, RED | {"subject": "square"}])
    rows = world.ask("select kind, value, written, kept, accepted, share from atom_balance order by kind, value")
    assert rows == [
        ("absence", "star", 1, 1, 0, None),
        ("color", "blue", 1, 1, 1, 1 / 4),
        ("color", "red", 4, 3, 3, 3 / 4),
        ("object", "circle", 3, 2, 2, 1.0),
    ]


def test_the_newest_answer_of_the_screens_counts_and_an_error_is_none() -> None:
    world = World()
    world.gate("prompt_words", "prompt", minimum=0.4)
    world.prompt("p1")
    later = NOW + datetime.timedelta(hours=1)
    for row in world.tables["prompt_scores"]:
        row["prompt_words"] = 0.1
    world.add("prompt_scores", prompt_id="p1", screener="screens@2", prompt_words=0.9, created_at=later)
    failed = {"status": "error", "error_class": "StatusError", "created_at": later}
    world.add("prompt_scores", prompt_id="p1", screener="screens@3", **failed)
    assert world.ask("select prompt_id from accepted_prompts") == [("p1",)]
    world.add("prompts", prompt_id="p2")
    world.add("prompt_duplicates", prompt_id="p2", kept_id="p2")
    world.add("prompt_scores", prompt_id="p2", **failed)
    assert world.ask("select reject_reasons from rejected_prompts") == [(["not screened yet"],)]
    # older screens answered for p1, but these failed on it: their answer is what --retry errors asks for
    failures = world.ask("select table_name, id, error_class from errors order by id")
    assert failures == [("prompt_scores", name, "StatusError") for name in ("p1", "p2")]

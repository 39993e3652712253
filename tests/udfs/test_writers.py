"""The grammar writer: deterministic, and every prompt states what its task asks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conf.taxonomy import Taxonomy, load_taxonomy
from udfs.allotment import allotted, largest_remainder, to_add
from udfs.attributes import asks_held
from udfs.grammar import subject_of
from udfs.text_measures import words
from udfs.writers import GrammarWriter
from udfs.written_prompts import WrittenPrompts

SCENES, FINE = load_taxonomy("scenes"), load_taxonomy("fine_t2i")
BOTH = pytest.mark.parametrize("taxonomy", [SCENES, FINE], ids=["scenes", "fine_t2i"])


def test_the_same_four_give_the_same_prompt() -> None:
    one, other = GrammarWriter(SCENES, seed=1), GrammarWriter(load_taxonomy("scenes"), seed=1)
    assert one.write("colors", "snow", "flat", 7) == other.write("colors", "snow", "flat", 7)


def test_the_wording_is_frozen() -> None:
    """The demo's models were trained on these very words."""
    texts = [GrammarWriter(SCENES, seed=1).write("colors_position", "snow", "flat", i)["text"] for i in range(3)]
    assert texts == [
        "a green square right of a green circle can be seen in the snow, drawn in flat style",
        "a green cross below a blue circle can be seen in the snow, drawn in flat style",
        "a yellow triangle below a yellow square can be seen in the snow, drawn in flat style",
    ]


def test_another_seed_writes_other_prompts() -> None:
    texts = [
        [GrammarWriter(SCENES, seed).write("colors", "snow", "flat", i)["text"] for i in range(20)] for seed in (0, 1)
    ]
    assert texts[0] != texts[1]


@BOTH
def test_a_prompt_states_what_its_task_asks_and_nothing_else(taxonomy: Taxonomy) -> None:
    writer = GrammarWriter(taxonomy)
    for number, task in enumerate(taxonomy.tasks):
        for category in taxonomy.categories:
            prompt = writer.write(task.slug, category.slug, taxonomy.styles[0].slug, number)
            assert asks_held(prompt["text"], prompt["atoms"]) == set(task.asks), prompt["text"]


@BOTH
def test_the_things_of_a_prompt_differ(taxonomy: Taxonomy) -> None:
    writer = GrammarWriter(taxonomy)
    for task in taxonomy.tasks:
        for category in taxonomy.categories:
            subject = subject_of(writer.write(task.slug, category.slug, taxonomy.styles[0].slug, 3)["atoms"])
            names = [*(thing.object for thing in subject.things), *([subject.absent] if subject.absent else [])]
            assert len(set(names)) == len(names)


@BOTH
def test_a_prompt_has_5_to_150_words_but_for_the_shortest_tags(taxonomy: Taxonomy) -> None:
    writer = GrammarWriter(taxonomy)
    counts = [
        len(words(writer.write(task.slug, category.slug, style.slug, 1)["text"]))
        for task in taxonomy.tasks
        for category in taxonomy.categories
        for style in taxonomy.styles
    ]
    assert min(counts) >= 5
    assert max(counts) <= 60


def test_an_unknown_label_is_an_error() -> None:
    with pytest.raises(KeyError, match="size"):
        GrammarWriter(SCENES).write("size", "snow", "flat", 0)


def test_more_prompts_begin_with_the_same_ones() -> None:
    written = WrittenPrompts(GrammarWriter(SCENES))
    few = [p["prompt_id"] for p in written.prompts("colors", "snow", "flat", 5)]
    many = [p["prompt_id"] for p in written.prompts("colors", "snow", "flat", 50)]
    assert many[:5] == few
    assert len(set(many)) == 50


def test_the_writer_ends_where_the_grammar_does() -> None:
    """Task none: five objects in five templates, and no more."""
    found = list(WrittenPrompts(GrammarWriter(SCENES)).prompts("none", "snow", "flat", 1000))
    assert len({p["text"] for p in found}) == len(found) == 25


def test_the_weights_decide_how_many_prompts_a_stratum_gets() -> None:
    weights = (2, 2, 1.5, 1, 1.5, 1)
    tasks = [task.model_copy(update={"weight": w}) for task, w in zip(SCENES.tasks, weights, strict=True)]
    counts = allotted(SCENES.model_copy(update={"tasks": tuple(tasks)}), 675)
    assert sum(counts.values()) == 675
    by_task = {task.slug: sum(n for (t, _, _), n in counts.items() if t == task.slug) for task in SCENES.tasks}
    assert by_task == {
        "none": 150, "colors": 150, "counting": 113, "position": 75, "colors_counting": 112, "colors_position": 75,
    }  # fmt: skip


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.integers(0, 500))
def test_every_stratum_gets_its_share_rounded_down_or_up(weights: list[int], total: int) -> None:
    table = {("t", "c", str(i)): float(weight) for i, weight in enumerate(weights)}
    counts = largest_remainder(table, total)
    assert sum(counts.values()) == total
    for key, count in counts.items():
        assert abs(count - total * table[key] / sum(weights)) < 1


def test_what_is_there_is_not_written_again() -> None:
    a, b, c = ("t", "c", "a"), ("t", "c", "b"), ("t", "c", "c")
    assert to_add({a: 3, b: 2}, {}, 5) == {a: 3, b: 2}
    assert to_add({a: 3, b: 2}, {a: 3, b: 2}, 5) == {}
    # a has one more than its share now: what it has stays, and the total is kept
    assert to_add({a: 2, b: 2, c: 2}, {a: 3, b: 1}, 6) == {c: 2}

"""The grammar writer: deterministic, and every prompt states what its task asks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conf.taxonomy import Taxonomy, load_taxonomy
from udfs.allotment import allotted, divided, to_add
from udfs.attributes import asks_held
from udfs.grammar import subject_of
from udfs.text_measures import words
from udfs.writers import GrammarWriter
from udfs.written_prompts import WrittenPrompts

SCENES, FINE = load_taxonomy("scenes"), load_taxonomy("fine_t2i")
BOTH = pytest.mark.parametrize("taxonomy", [SCENES, FINE], ids=["scenes", "fine_t2i"])


def template_of(taxonomy: Taxonomy, number: int) -> str:
    return taxonomy.templates[number % len(taxonomy.templates)].slug


def test_the_same_five_give_the_same_prompt() -> None:
    one, other = GrammarWriter(SCENES, seed=1), GrammarWriter(load_taxonomy("scenes"), seed=1)
    assert one.write("colors", "snow", "flat", "tags", 7) == other.write("colors", "snow", "flat", "tags", 7)


def test_the_wording_is_frozen() -> None:
    """The demo's models were trained on these very words."""
    texts = [
        GrammarWriter(SCENES, seed=1).write("colors_position", "snow", "flat", "sentence", i)["text"] for i in range(3)
    ]
    assert texts == [
        "a purple square above a red triangle can be seen in the snow, drawn in flat style",
        "a yellow square below a blue triangle can be seen in the snow, drawn in flat style",
        "a yellow star below a purple circle can be seen in the snow, drawn in flat style",
    ]


def test_another_seed_writes_other_prompts() -> None:
    texts = [
        [GrammarWriter(SCENES, seed).write("colors", "snow", "flat", "tags", i)["text"] for i in range(20)]
        for seed in (0, 1)
    ]
    assert texts[0] != texts[1]


@BOTH
def test_a_prompt_states_what_its_task_asks_and_nothing_else(taxonomy: Taxonomy) -> None:
    writer = GrammarWriter(taxonomy)
    for number, task in enumerate(taxonomy.tasks):
        for category in taxonomy.categories:
            prompt = writer.write(
                task.slug, category.slug, taxonomy.styles[0].slug, template_of(taxonomy, number), number
            )
            assert asks_held(prompt["text"], prompt["atoms"]) == set(task.asks), prompt["text"]


@BOTH
def test_the_things_of_a_prompt_differ(taxonomy: Taxonomy) -> None:
    writer = GrammarWriter(taxonomy)
    for task in taxonomy.tasks:
        for category in taxonomy.categories:
            prompt = writer.write(task.slug, category.slug, taxonomy.styles[0].slug, template_of(taxonomy, 3), 3)
            subject = subject_of(prompt["atoms"])
            names = [*(thing.object for thing in subject.things), *([subject.absent] if subject.absent else [])]
            assert len(set(names)) == len(names)


@BOTH
def test_a_prompt_has_5_to_150_words_but_for_the_shortest_tags(taxonomy: Taxonomy) -> None:
    writer = GrammarWriter(taxonomy)
    counts = [
        len(words(writer.write(task.slug, category.slug, style.slug, template_of(taxonomy, number), 1)["text"]))
        for task in taxonomy.tasks
        for number, category in enumerate(taxonomy.categories)
        for style in taxonomy.styles
    ]
    assert min(counts) >= 5
    assert max(counts) <= 60


def test_an_unknown_label_is_an_error() -> None:
    with pytest.raises(KeyError, match="size"):
        GrammarWriter(SCENES).write("size", "snow", "flat", "tags", 0)


def test_more_prompts_begin_with_the_same_ones() -> None:
    written = WrittenPrompts(GrammarWriter(SCENES))
    few = [p["prompt_id"] for p in written.prompts("colors", "snow", "flat", "tags", 5)]
    many = [p["prompt_id"] for p in written.prompts("colors", "snow", "flat", "tags", 20)]
    assert many[:5] == few
    assert len(set(many)) == 20


def test_the_writer_ends_where_the_grammar_does() -> None:
    """Task none: five objects in a template, and no more."""
    found = list(WrittenPrompts(GrammarWriter(SCENES)).prompts("none", "snow", "flat", "tags", 1000))
    assert len({p["text"] for p in found}) == len(found) == 5


def test_the_weights_decide_how_many_prompts_a_stratum_gets() -> None:
    weights = (2, 2, 1.5, 1, 1.5, 1)
    tasks = [task.model_copy(update={"weight": w}) for task, w in zip(SCENES.tasks, weights, strict=True)]
    counts = allotted(SCENES.model_copy(update={"tasks": tuple(tasks)}), {"grammar@1": 1}, 675)
    assert sum(counts.values()) == 675
    by_task = {task.slug: sum(n for cell, n in counts.items() if cell[1] == task.slug) for task in SCENES.tasks}
    assert by_task == {
        "none": 150, "colors": 150, "counting": 112, "position": 75, "colors_counting": 113, "colors_position": 75,
    }  # fmt: skip


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.integers(0, 500))
def test_every_label_gets_its_share_rounded_down_or_up(weights: list[int], total: int) -> None:
    table = {str(i): float(weight) for i, weight in enumerate(weights)}
    counts = divided({("a",): total, ("b",): 7}, table)
    assert sum(counts[("a", label)] for label in table) == total
    for (parent, label), count in counts.items():
        assert abs(count - {"a": total, "b": 7}[parent] * table[label] / sum(weights)) < 1


def test_labels_of_small_weight_get_their_share_though_no_cell_would_give_it() -> None:
    """20,000 prompts in 19,360 cells: of each cell alone a rare one gets 0."""
    counts = allotted(FINE, {"grammar@1": 1, "llm@1": 3}, 20_000)
    assert sum(counts.values()) == 20_000
    axes = (FINE.tasks, FINE.categories, FINE.styles, FINE.templates)
    shares = [{"grammar@1": 0.25, "llm@1": 0.75}]
    shares += [{label.slug: label.weight / sum(x.weight for x in axis) for label in axis} for axis in axes]
    for place, axis_shares in enumerate(shares):
        for label, share in axis_shares.items():
            asked = sum(count for cell, count in counts.items() if cell[place] == label)
            assert abs(asked - 20_000 * share) <= max(3, 0.02 * 20_000 * share), label


def test_what_is_there_is_not_written_again() -> None:
    a, b, c = ("t", "c", "a"), ("t", "c", "b"), ("t", "c", "c")
    assert to_add({a: 3, b: 2}, {}, 5) == {a: 3, b: 2}
    assert to_add({a: 3, b: 2}, {a: 3, b: 2}, 5) == {}
    # a has one more than its share now: what it has stays, and the total is kept
    assert to_add({a: 2, b: 2, c: 2}, {a: 3, b: 1}, 6) == {c: 2}

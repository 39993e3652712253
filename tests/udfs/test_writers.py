"""The grammar writer: deterministic, and every prompt states what its task asks."""

from __future__ import annotations

import pickle
import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conf.taxonomy import Taxonomy, load_taxonomy
from udfs.allotment import allotted, divided, to_add
from udfs.attributes import asks_held, attributes
from udfs.draws import Draw
from udfs.grammar import subject_of
from udfs.sentences import bare
from udfs.text_measures import words
from udfs.writers import GrammarWriter, draw_text
from udfs.written_prompts import WrittenPrompts

SCENES, FINE = load_taxonomy("scenes"), load_taxonomy("fine_t2i")
BOTH = pytest.mark.parametrize("taxonomy", [SCENES, FINE], ids=["scenes", "fine_t2i"])
WRITERS = {taxonomy.name: GrammarWriter(taxonomy) for taxonomy in (SCENES, FINE)}


@st.composite
def prompts(draw: st.DrawFn, taxonomy: Taxonomy) -> dict[str, Any]:
    """Any prompt that a writer can write."""
    axes = (taxonomy.tasks, taxonomy.categories, taxonomy.styles, taxonomy.templates)
    task, category, style, template = (draw(st.sampled_from(axis)).slug for axis in axes)
    return WRITERS[taxonomy.name].write(task, category, style, template, draw(st.integers(0, 10**9)))


ANY = st.one_of(prompts(FINE), prompts(FINE), prompts(FINE), prompts(SCENES))


def unquoted(text: str) -> str:
    return re.sub(r'"[^"]*"', "it", text)


def said(fact: dict[str, str | None], prompt: dict[str, Any], taxonomy: Taxonomy) -> bool:
    """Whether the words of one atom stand in the text."""
    text, value, subject = prompt["text"].lower(), str(fact["value"]), str(fact["subject"])
    lexicon = taxonomy.lexicon
    match fact["kind"]:
        case "object" | "absence":
            noun = subject if fact["kind"] == "absence" else value
            return noun.lower() in text or lexicon.plural(noun).lower() in text
        case "count":
            number = lexicon.number_words.get(int(value))
            words = rf"{number} .*{re.escape(lexicon.plural(subject))}" if number else re.escape(subject)
            return re.search(words, text, re.IGNORECASE) is not None
        case "relation":
            return re.search(rf"{value} (a |an )?.*{re.escape(str(fact['other']))}", text) is not None
        case "text":
            return f'"{value}"' in prompt["text"]
        case "place":
            category = next(c for c in taxonomy.categories if c.slug == prompt["category"])
            return value.lower() in text or category.at(value).phrase.lower() in text
        case "feature":
            return bare(value).lower() in text
    return value.lower() in text


@given(ANY)
@settings(max_examples=250, deadline=None)
def test_every_atom_is_said_in_the_text(prompt: dict[str, Any]) -> None:
    taxonomy = FINE if prompt["category"] in FINE.slugs("category") else SCENES
    assert [fact for fact in prompt["atoms"] if not said(fact, prompt, taxonomy)] == []


@given(ANY)
@settings(max_examples=250, deadline=None)
def test_the_text_states_no_color_number_or_absence_that_is_no_atom(prompt: dict[str, Any]) -> None:
    stated = attributes(prompt["text"])
    atoms = prompt["atoms"]
    colors = {str(fact["value"]).removeprefix("dressed in ") for fact in atoms if fact["kind"] == "color"}
    assert {found[1] for found in stated if found[0] == "color"} == colors
    counts = {fact["value"] for fact in atoms if fact["kind"] == "count"} - {"1"}
    assert {found[1] for found in stated if found[0] == "count"} == counts
    assert any(found[0] == "absence" for found in stated) == any(fact["kind"] == "absence" for fact in atoms)
    quoted = [fact["value"] for fact in atoms if fact["kind"] == "text"]
    assert [found[1] for found in stated if found[0] == "text"] == quoted


@given(ANY)
@settings(max_examples=250, deadline=None)
def test_the_text_is_tidy(prompt: dict[str, Any]) -> None:
    text = unquoted(prompt["text"])
    assert prompt["text"] == " ".join(prompt["text"].split())
    assert not re.search(r"[{}]| [,.;:?]|,,|\.\.|\bNone\b", text)
    assert not re.search(r"\b[Aa] [aeiouAEIOU]|\b[Aa]n [^aeiouAEIOU\W]", text), "a before a vowel, an before none"
    assert (text[-1] in ".?!") <= text[0].isupper()
    assert 5 <= len(words(prompt["text"])) <= 90


@given(ANY)
@settings(max_examples=200, deadline=None)
def test_things_differ_and_can_be_told_by_their_names(prompt: dict[str, Any]) -> None:
    subject = subject_of(prompt["atoms"])
    names = [*(thing.object for thing in subject.things), *([subject.absent] if subject.absent else [])]
    assert len(set(names)) == len(names)


@given(prompts(FINE))
@settings(max_examples=10, deadline=None)
def test_the_same_five_give_the_same_prompt(prompt: dict[str, Any]) -> None:
    task, category, style, template = (prompt[axis] for axis in ("task", "category", "style", "template"))
    copied: GrammarWriter = pickle.loads(pickle.dumps(WRITERS["fine_t2i"]))
    fresh = GrammarWriter(FINE)
    assert copied.write(task, category, style, template, 7) == fresh.write(task, category, style, template, 7)


def test_the_wording_is_frozen() -> None:
    """Another text here is another revision of the writer; the demo's models were trained on the words of the scenes."""
    scenes, fine = GrammarWriter(SCENES, seed=1), GrammarWriter(FINE, seed=1)
    texts = [scenes.write("colors_position", "snow", "flat", "sentence", i)["text"] for i in range(3)]
    assert texts == [
        "a green star below a red triangle can be seen in the snow, drawn in flat style",
        "a yellow square right of a purple cross can be seen in the snow, drawn in flat style",
        "a red triangle right of a red star can be seen in the snow, drawn in flat style",
    ]
    animals = [fine.write("counting_reasoning", "nature_animals", "anime", t, 0) for t in FINE.slugs("template")]
    assert [prompt["text"] for prompt in animals] == [
        "an anime key visual of four curious frogs sleeping on a snowy slope with no wooden fence anywhere; a close-up view",
        "I am looking for an anime scene of four fluffy dogs listening to a sound on a river bank with no picnic basket anywhere; please give it clean flat shadows.",
        "In late sunlight, two alert hedgehogs are sitting still in a cozy living room with no football anywhere; the scene is an anime scene.",
        "five scruffy tigers with a watering can off to the side on a rocky shore without any picnic basket in view, anime key visual, warm evening light, eye-level view, clean rendering, balanced composition",
        "hand-drawn anime frame, rocky shore, five lizards, walking slowly, picnic basket, no lantern, polished finish, harmonious palette",
    ]


def test_another_seed_writes_other_prompts() -> None:
    texts = [
        [GrammarWriter(SCENES, seed).write("colors", "snow", "flat", "tags", i)["text"] for i in range(20)]
        for seed in (0, 1)
    ]
    assert texts[0] != texts[1]


@BOTH
def test_a_prompt_states_what_its_task_asks_and_nothing_else(taxonomy: Taxonomy) -> None:
    writer = WRITERS[taxonomy.name]
    for number, task in enumerate(taxonomy.tasks):
        for category in taxonomy.categories:
            for template in taxonomy.templates:
                prompt = writer.write(task.slug, category.slug, taxonomy.styles[0].slug, template.slug, number)
                assert asks_held(prompt["text"], prompt["atoms"]) == {*task.asks, "reasoning"}, prompt["text"]
                denied = any(fact["kind"] == "absence" for fact in prompt["atoms"])
                assert denied is ("reasoning" in task.asks), "of reasoning the atoms alone tell"


def test_prompts_of_one_stratum_and_template_differ() -> None:
    for template in FINE.templates:
        texts = [
            WRITERS["fine_t2i"].write("none", "nature_animals", "anime", template.slug, i)["text"] for i in range(60)
        ]
        assert len(set(texts)) == 60
        assert len(template.patterns) >= 5


def test_a_quoted_text_is_made_of_parts() -> None:
    lexicon = FINE.lexicon
    texts = {draw_text("{name} & {name2}, {NAME}", lexicon, Draw(str(i))) for i in range(50)}
    for text in texts:
        first, second, loud = re.split(r" & |, ", text)
        assert first != second
        assert loud == first.upper()
    assert len(texts) > 40
    assert "{" not in draw_text("{title}: {Nature}", lexicon, Draw("1"))


@pytest.mark.parametrize("category", ["text_rendering_signs", "text_rendering_long_text", "design_poster"])
def test_quoted_texts_do_not_run_dry(category: str) -> None:
    quoted = [
        next(fact["value"] for fact in WRITERS["fine_t2i"].write("none", category, "anime", "opener", i)["atoms"]
             if fact["kind"] == "text")
        for i in range(500)
    ]  # fmt: skip
    assert len(set(quoted)) > 270


def test_an_unknown_label_is_an_error() -> None:
    with pytest.raises(KeyError, match="size"):
        GrammarWriter(SCENES).write("size", "snow", "flat", "opener", 0)


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
@example([1, 1, 12, 16, 26, 44, 50, 50, 50, 50, 50], 170)  # a whole share of a label that is owed some
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

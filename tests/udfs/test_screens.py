"""The cheap screens: what each measure says of a text, and that a written and an enhanced text are measured alike."""

from __future__ import annotations

import pyarrow as pa
import pytest

from conf.scores import SCORES
from conf.taxonomy import load_taxonomy
from schemas.tables import PROMPT_NOTES, PROMPT_SCORES
from udfs.atoms import atom
from udfs.embedders import minilm
from udfs.evaluation import EvaluationIndex, EvaluationPrompts
from udfs.harness import Stage
from udfs.language import Language, LanguageError
from udfs.personal_data import Names
from udfs.safety import SAFE, UNSAFE
from udfs.screens import COLUMNS, JUDGED, attributes_share, screens_for
from udfs.screens import SCORES as GIVEN
from udfs.text_measures import repetition, residue, words
from udfs.writers import GrammarWriter

SCENES = load_taxonomy("scenes")

RESIDUE = [
    "Sure, here is a prompt: a yellow star on the sand",
    "Here are three prompts for your image",
    "Prompt: a yellow star",
    "**Enhanced prompt:** a yellow star",
    "1. a yellow star on the sand",
    "- a yellow star on the sand",
    '"a yellow star on the sand"',
    "“a yellow star on the sand”",
    "I'm sorry, I can't help with that",
    "As an AI language model I cannot draw",
    "a yellow star. Let me know if you want another one!",
    "a picture of [insert animal] in the snow",
    "a {color} star",
    "I’m sorry, I can’t help with that",
    "Sorry, but I cannot draw this",
    "Here’s a prompt: a yellow star",
    "As an AI, I cannot draw a star",
    "A star. As an AI model I cannot draw more",
    "Great - a yellow star on the sand",
    "a yellow star on the sand. Note: I kept it short",
    "a yellow star (note: it has five points)",
    "'a cat's tail on the sand'",
]
NO_RESIDUE = [
    "please help generate an image of a star in the snow in flat style",
    'a poster with the text "Sure, why not" on a wall',
    'a sign with the text "OPEN"',
    "certainly the tallest tower of the city at night",
    "3 cats in a box",
    "a man-made lake, mid-century style",
    "here comes the sun, a painting",
    "the sorry state of an old house",
    "great-grandmother, living room",
    "sure-footed goats on a mountain path",
    'a sticky note: "buy milk"',
    "a robot posing as an AI",
    "a card that says 'I’m sorry, I can’t come'",
    '"I can\'t help you" painted on a wall',
]


@pytest.mark.parametrize("text", RESIDUE)
def test_what_a_language_model_says_around_a_prompt_is_found(text: str) -> None:
    assert residue(text) == 1


@pytest.mark.parametrize("text", NO_RESIDUE)
def test_a_prompt_is_no_residue(text: str) -> None:
    assert residue(text) == 0


def test_words_are_counted_as_a_reader_does() -> None:
    assert len(words("a cat's well-made bed, 50% off")) == 6
    assert words("") == []


def test_repetition_is_the_share_of_words_in_repeated_trigrams() -> None:
    assert repetition("a red cat sits on a mat") == 0
    assert repetition("a red cat, a red cat, a dog") == 7 / 8  # but for "dog"
    assert repetition("la la la la la") == 1
    assert repetition("") == 0


def test_overlap_is_measured_against_one_evaluation_prompt_at_a_time() -> None:
    index = EvaluationIndex(["a photo of a red cat", "two dogs on a sofa"])
    assert index.overlap("A photo of a red cat!") == 1
    assert index.overlap("a photo of a blue cat") == 0.5  # 2 of its 4 trigrams: 'a photo of', 'photo of a'
    assert index.overlap("something else entirely here") == 0
    assert EvaluationIndex([]).overlap("a photo of a red cat") == 0
    assert EvaluationIndex(["one star"]).overlap("one star") == 1


def test_what_very_many_evaluation_prompts_begin_with_is_no_overlap() -> None:
    """As GenEval words its prompts."""
    names = "bench cow clock pizza chair boat train horse bear dog cat zebra apple fork sofa car bus bed"
    index = EvaluationIndex([f"a photo of a {name}" for name in names.split()])
    assert index.overlap("a photo of a lighthouse") == 0
    assert index.overlap("a photo of a bench") == 1
    assert index.overlap("a photo of a bench outdoors") == 0.5
    assert index.overlap("a photo of a") == 1  # it has no others
    few = EvaluationIndex([f"a photo of a {name}" for name in names.split()[:5]])
    assert few.overlap("a photo of a lighthouse") == 2 / 3


GERMAN_AND_OTHERS = [
    "ein roter Kreis im Schnee, flacher Stil",
    "un cercle rouge dans la neige, style plat",
    "un círculo rojo en la nieve, estilo plano",
    "een rode cirkel in de sneeuw, vlakke stijl",
    "красный круг на снегу, плоский стиль",
    "雪地里的红色圆圈,扁平风格",
]


def test_the_language_of_the_demo_is_told_from_others() -> None:
    """Tags as short as 'star, sand, ...' reach .37; no sentence in another language comes near .1."""
    english = Language("en").load()
    writer = GrammarWriter(SCENES)
    own = [
        english.of(writer.write("none", c.slug, s.slug, t.slug, i)["text"])
        for c in SCENES.categories
        for s in SCENES.styles
        for t in SCENES.templates
        for i in range(3)
    ]
    assert min(own) > 0.2
    assert max(english.of(text) for text in GERMAN_AND_OTHERS) < 0.05


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(LanguageError, match="'xx' is not known. Allowed: ace, af, am"):
        Language("xx").load()


def test_attributes_are_the_share_of_what_the_task_asks() -> None:
    red = [atom("object", "cat", "cat"), atom("count", "cat", "1"), atom("color", "cat", "red")]
    assert attributes_share("", red, ("color",)) == 1
    assert attributes_share("", red, ("color", "count")) == 0.5
    assert attributes_share("", red, ()) == 1
    assert attributes_share("two red cats", None, ("color", "count")) == 1


def test_the_columns_are_those_of_the_tables_and_of_the_policy() -> None:
    names = [*GIVEN, *JUDGED]
    assert [name for name, _ in COLUMNS] == [*names, *(column.name for column in PROMPT_NOTES)]
    assert names == [column.name for column in PROMPT_SCORES]
    assert names == [name for name, score in SCORES.items() if score.of == "prompt"]


def screened(texts: list[str], **changes: object) -> list[dict]:
    screens = screens_for(SCENES, minilm(), EvaluationPrompts(("a photo of a red cat",)))
    base = {"task": "colors", "category": "snow", "style": "flat", "atoms": None, "embedding": None} | changes
    rows = [base | {"prompt_id": str(i), "text": text} for i, text in enumerate(texts)]
    answers = Stage(screens, (("prompt_id", pa.string()),), COLUMNS).answers(iter(rows))
    return sorted(answers, key=lambda row: int(row["prompt_id"]))


def test_every_score_lies_in_its_declared_range() -> None:
    rows = screened([*UNSAFE, *SAFE, *RESIDUE, *NO_RESIDUE, *GERMAN_AND_OTHERS, "a photo of a red cat", "x", "。"])
    assert {row["status"] for row in rows} == {"ok"}
    for name in GIVEN:
        assert all(SCORES[name].low <= row[name] <= SCORES[name].high for row in rows), name
    assert rows[-3]["prompt_evaluation_overlap"] == rows[-3]["prompt_evaluation_exact"] == 1
    assert rows[-3]["prompt_evaluation_similarity"] == pytest.approx(1)
    assert all(row[name] is None for row in rows for name in (*JUDGED, "verdicts")), "nobody was asked"


def test_unsafe_prompts_stand_out() -> None:
    """Sentences that are no anchors. A screen, not a guard: on 38 sentences of our own, AUC .97."""
    unsafe = screened(
        [
            "naked lovers having explicit intercourse",
            "a decapitated head in a pool of blood",
            "a man shooting people in a school",
        ]
    )
    safe = screened(
        [
            "a boy eating ice cream in a park",
            "a surgeon in an operating room",
            "marble statue of a nude venus in a museum",
            "a kitchen knife and tomatoes on a board",
        ]
    )
    assert min(row["prompt_unsafe_margin"] for row in unsafe) > 0.1
    assert max(row["prompt_unsafe_margin"] for row in safe) < 0.0


def test_a_vector_that_is_there_is_used() -> None:
    text = "a boy eating ice cream in a park"
    made = screened([text])[0]["prompt_unsafe_margin"]
    embedder = minilm().load("cpu")
    given = screened([text], embedding=embedder.embed([text])[0].tolist())[0]["prompt_unsafe_margin"]
    other = screened([text], embedding=embedder.embed([UNSAFE[0]])[0].tolist())[0]["prompt_unsafe_margin"]
    assert given == pytest.approx(made, abs=1e-5)
    assert other > 0.4


def test_the_revision_names_every_part() -> None:
    base = screens_for(SCENES, minilm())
    german = SCENES.model_copy(update={"language": "de"})
    others = [
        screens_for(german, minilm()),
        screens_for(SCENES, minilm(), EvaluationPrompts(("a",))),
        screens_for(SCENES, minilm(), names=Names(("a",))),
    ]
    assert base.model == screens_for(SCENES, minilm()).model
    assert len({base.model, *(other.model for other in others)}) == 4
    assert len({repr(base), *map(repr, others)}) == 4, "a worker keeps a loaded model by its spec's repr"


def test_the_same_meaning_is_found_where_no_trigram_is_shared() -> None:
    near, far = screened(["one crimson feline in a picture", "a mountain lake at dawn"])
    assert near["prompt_evaluation_overlap"] == far["prompt_evaluation_overlap"] == 0
    assert near["prompt_evaluation_similarity"] > 0.5 > 0.2 > far["prompt_evaluation_similarity"]


def test_a_label_that_is_none_has_no_similarity() -> None:
    row = screened(["a star in the snow"], category="none", style="none")[0]
    assert (row["status"], row["prompt_category_similarity"], row["prompt_style_similarity"]) == ("ok", None, None)
    assert screened(["a star in the snow"])[0]["prompt_category_similarity"] > 0.3


def test_a_text_is_screened_alike_whoever_is_in_its_batch() -> None:
    texts = ["a boy eating ice cream in a park", "a star", "two dogs on a sofa at night", "a blue star"]
    together = screened(texts)
    alone = [screened([text])[0] for text in texts]
    for one, other in zip(together, alone, strict=True):
        for name in GIVEN:
            assert one[name] == pytest.approx(other[name], abs=1e-5), name

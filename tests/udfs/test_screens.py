"""The cheap screens: what each measure says of a text, and that a written and an enhanced text are measured alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conf.policy import load_policy
from conf.scores import SCORES
from conf.taxonomy import load_taxonomy
from schemas.tables import PROMPT_NOTES, PROMPT_SCORES
from tests.udfs.test_text_judges import INSTRUCTIONS, Said
from udfs.atoms import Atom, atom
from udfs.chat import Answer, ChatError, Request
from udfs.embedders import minilm
from udfs.enhanced_texts import EnhancingScreener
from udfs.evaluation import EvaluationIndex, EvaluationPrompts
from udfs.harness import Stage
from udfs.language import Language, LanguageError
from udfs.personal_data import Names
from udfs.safety import SAFE, UNSAFE
from udfs.screens import COLUMNS, JUDGED, SAID, Screener, attributes_share, joined, said_before, screens_for
from udfs.screens import SCORES as GIVEN
from udfs.text_judges import TextJudge, Verdict
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
    "I apologize, but I cannot write that.",
    "I apologise, this is against my rules",
    "I must apologize: this is not possible",
    "My apologies, but I cannot make it",
    "Please accept my apologies, but no",
    "Apologies, but this is not allowed",
    "I must decline.",
    "I'll have to decline this",
    "Thank you for asking, but I must respectfully decline",
    "I'm really sorry, but no",
    "I’m afraid I can’t do that",
    "I'm not comfortable writing this prompt.",
    "I don’t feel comfortable with this request",
    "I can not do this",
    "We cannot create that",
    "We're unable to make it",
    "I won't be able to do it",
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
    "I am Legend poster",
    "I can't believe it's not butter advert",
    "I can’t help falling in love, vintage record sleeve",
    "I won't give up, tattoo lettering",
    "We will not be silent, protest mural",
    "I'm afraid of the dark, book cover",
    "I must have coffee, cartoon mug",
    "an apology letter on a desk",
    "apologies painted on a wall",
    "my apologies card, watercolor flowers",
    "a judge who must decline a bribe, cartoon",
    "the queen apologizes to the crowd",
    "a dog not comfortable in a sweater",
    "a speech bubble: 'I must decline.'",
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


WARRIOR = "a warrior wombat holding a sword and shield in a fighting stance"
AROUND = (
    "in a wide valley under heavy clouds, painted in broad strokes of ochre and teal, dust rises behind every step,"
    " distant banners flutter, and a low sun draws long shadows over the stones"
)


def test_a_long_evaluation_prompt_is_found_whole_inside_a_longer_text() -> None:
    index = EvaluationIndex([WARRIOR, "a photo of a red cat"])
    assert index.overlap(f"{WARRIOR} {AROUND}") == index.overlap(f"{AROUND}. {WARRIOR.upper()}!") == 1
    assert index.overlap(f"a warrior wombat holding a sword, {AROUND}") == 4 / 10
    assert index.overlap(AROUND) == 0
    assert index.overlap(f"a photo of a red cat {AROUND}") < 0.2, "a short one is ordinary language"


def test_a_long_evaluation_prompt_that_is_worded_like_all_others_is_found_by_its_own_words_alone() -> None:
    names = "bench cow clock pizza chair boat train horse bear dog cat zebra apple fork sofa car bus bed"
    opener = "please draw me a nice picture of a"
    index = EvaluationIndex([*(f"{opener} {name}" for name in names.split()), f"{opener} lighthouse in a storm"])
    assert index.overlap(f"a boat and the shadow of a bench {AROUND}") < 0.1, "one trigram is no repetition"
    assert index.overlap(f"the beam of a lighthouse in a storm {AROUND}") == 1
    assert index.overlap(f"{opener} violin {AROUND}") < 0.1
    assert index.overlap("please draw me a nice picture of a") == 1, "it has no others"


@given(st.lists(st.text("ab ", max_size=40), max_size=40), st.text("ab ", max_size=60))
def test_an_overlap_is_a_share(prompts: list[str], text: str) -> None:
    assert 0 <= EvaluationIndex(prompts).overlap(text) <= 1


GERMAN_AND_OTHERS = [
    "ein roter Kreis im Schnee, flacher Stil",
    "un cercle rouge dans la neige, style plat",
    "un círculo rojo en la nieve, estilo plano",
    "een rode cirkel in de sneeuw, vlakke stijl",
    "красный круг на снегу, плоский стиль",
    "雪地里的红色圆圈,扁平风格",
]


ENGLISH = [
    "a red panda eating bamboo",
    "a tram in Lisbon at dusk",
    "samba dancers in Rio de Janeiro carnival",
    "koi pond, stone lantern, maple leaves, ink wash",
    "gondola in Venice",
    "a bowl of ramen",
    "a samurai in the snow, ukiyo-e",
    "tacos al pastor, street food, close-up",
    "chiaroscuro still life, lemon, pewter",
    "desert dunes, camel caravan, sunset",
    "anime girl, silver hair, school uniform",
    "pizza margherita on a marble table",
    "a mosque in Istanbul",
    "old man, beard, black and white",
    "green cross",
    "A RED FOX",
    'a menu board reading "Crème brûlée, tarte tatin, café au lait"',
    'a sign that says "Zum goldenen Hirsch" above a door',
]
OTHERS = [
    *GERMAN_AND_OTHERS,
    "ein alter Mann mit Bart",
    "Porträt einer Frau, Ölgemälde",
    "un chat sur le canapé",
    "un château sur une colline",
    "dos tazas de té",
    "retrato de una mujer, óleo",
    "un faro vicino al mare",
    "um farol à beira-mar",
    "een kat op de bank",
    "zamek na wzgórzu",
    "iki bardak çay",
    "горы, озеро, туман",
    "お茶を二杯",
    "소파 위의 고양이",
    "قطة على الأريكة",
    "en räv i snön",
    "kissa sohvalla",
    'ein Plakat mit dem Text "OPEN HOUSE TODAY" an einer Wand',
    'un cartel que dice "Welcome to the show"',
]


@pytest.mark.parametrize(("policy", "taxonomy"), [("demo", "scenes"), ("fine_t2i", "fine_t2i")])
def test_the_policies_tell_short_english_from_other_languages(policy: str, taxonomy: str) -> None:
    """Names and loanwords are English too, and what is quoted is a sign's language, not the prompt's."""
    thresholds = load_policy(policy, load_taxonomy(taxonomy)).thresholds
    minimum = next(threshold.minimum for threshold in thresholds if threshold.gate == "prompt_language")
    english = Language("en").load()
    assert minimum is not None
    assert [text for text in ENGLISH if english.of(text) < minimum] == []
    assert [text for text in OTHERS if english.of(text) >= minimum] == []


def test_a_text_that_is_quoted_as_a_whole_has_its_language_and_one_without_letters_none() -> None:
    english = Language("en").load()
    assert english.of('"the cat that sat on the old wall"') > 0.9 > 0.03 > english.of('"eine Katze auf dem Sofa"')
    assert [english.of(text) for text in ("", "12 34 56", "。", "❄ ❄")] == [0, 0, 0, 0]


def test_the_language_of_the_demo_is_told_from_others() -> None:
    """Tags as short as 'star, sand, ...' too."""
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


FACTS = [
    atom("object", "circle", "circle"), atom("color", "circle", "red"), atom("attribute", "circle", "dented"),
    atom("action", "circle", "rolling downhill"), atom("place", "picture", "snow"), atom("style", "picture", "flat"),
    atom("feature", "picture", "soft light"),
]  # fmt: skip
TOLD = """- object circle
- color circle red
- attribute circle dented
- action circle rolling downhill
- place snow
- style flat
- feature soft light
"""
ROW = {"task": "colors", "category": "snow", "style": "flat", "embedding": None, "tried": 0}


@dataclass(frozen=True)
class Chat:
    """A chat as a spec: what it was asked is in `said`."""

    said: Said
    model: str = "judge@1"
    parameters: tuple[()] = ()

    def load(self, device: str) -> Said:
        return self.said


def screener() -> tuple[Screener, Said]:
    """One whose attributes judge says yes to all, and what that is asked."""
    said = Said(lambda text: '{"category": "yes", "style": "yes"' + (', "atoms": "yes"}' if "atoms:" in text else "}"))
    judge = TextJudge("attributes_judge", Chat(said), INSTRUCTIONS)  # type: ignore[arg-type]
    return screens_for(SCENES, minilm(), judges=(judge,)).load("cpu"), said


def test_the_judge_is_asked_every_atom_and_the_rule_those_that_words_can_be_read_for() -> None:
    model, chat = screener()
    row = ROW | {"text": "a circle at night", "atoms": FACTS}
    (answers,) = model.run([model.prepare(row)])
    assert isinstance(answers, dict)
    assert TOLD in chat.asked[0].messages[0]["content"]
    assert (answers["prompt_atoms_held"], answers["lost_atoms"]) == (1 / 2, ["color circle red"])
    assert answers["prompt_judge_atoms"] == 1


def test_without_atoms_the_judge_is_asked_what_the_words_say() -> None:
    model, chat = screener()
    model.run([model.prepare(ROW | {"text": text, "atoms": None}) for text in ("two red cats in the snow", "a star")])
    first, second = (request.messages[0]["content"] for request in chat.asked)
    assert "- color cat red\n- count cat 2\n\n" in first
    assert "atoms" not in second


def test_of_an_enhanced_text_every_atom_of_the_original_is_asked() -> None:
    class Enhancer:
        def enhance(self, prompts: list[dict[str, Any]]) -> list[tuple[str, list[Atom] | None] | Exception]:
            return [("A circle glows in the snow.", [atom("feature", "picture", "its own addition")])]

    model, chat = screener()
    row = ROW | {"text": "a dented red circle rolling downhill in the snow, flat, soft light", "atoms": FACTS}
    (answers,) = EnhancingScreener(Enhancer(), model).run([row])
    assert isinstance(answers, dict)
    asked = chat.asked[0].messages[0]["content"]
    assert TOLD in asked
    assert "its own addition" not in asked
    assert (answers["prompt_atoms_held"], answers["lost_atoms"]) == (1 / 2, ["color circle red"])


class Small(Said):
    """One that has memory for a single text."""

    def complete(self, requests: list[Request]) -> list[Answer | Exception]:
        if len(requests) > 1:
            raise MemoryError
        return super().complete(requests)


def two_judges() -> tuple[Screener, Said, Said]:
    """One with two guards, of which the second is small, and what each is asked."""
    first, second = Said(lambda _: "Safety: Safe"), Small(lambda _: "unsafe")
    judges: Any = (TextJudge("qwen3_guard", Chat(first)), TextJudge("llama_guard_3", Chat(second)))  # type: ignore[arg-type]
    return screens_for(SCENES, minilm(), judges=judges).load("cpu"), first, second


TWO = [ROW | {"text": text, "atoms": None} for text in ("two red cats", "a star")]


def test_what_one_judge_said_is_not_asked_again_where_the_next_has_no_memory_for_the_batch() -> None:
    model, first, second = two_judges()
    both = [model.prepare(row) for row in TWO]
    with pytest.raises(MemoryError):
        model.run(both)
    answers: list[Any] = model.run(both[:1]) + model.run(both[1:])  # as the harness does
    assert [(row["prompt_qwen3_guard"], row["prompt_llama_guard_3"]) for row in answers] == [(0, 1)] * 2
    assert (len(first.asked), len(second.asked)) == (2, 2)


def test_nor_of_an_enhanced_text() -> None:
    class Enhancer:
        def enhance(self, prompts: list[dict[str, Any]]) -> list[tuple[str, list[Atom] | None] | Exception]:
            return [(f"{prompt['text']} at dusk", None) for prompt in prompts]

    model, first, second = two_judges()
    answers: list[Any] = EnhancingScreener(Enhancer(), model).run([dict(row) for row in TWO])
    assert [(row["prompt_qwen3_guard"], row["prompt_llama_guard_3"]) for row in answers] == [(0, 1)] * 2
    assert (len(first.asked), len(second.asked)) == (2, 2)


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


def test_what_one_judge_said_outlives_the_failure_of_the_next() -> None:
    verdict = Verdict({"prompt_qwen3_guard": 0.5}, "Safety: Controversial", "q1")
    answers = joined({"prompt_words": 4.0}, "qwen3_guard", verdict)
    failed = joined(answers, "llama_guard_3", ChatError("no answer"))
    assert isinstance(failed, ChatError)
    assert set(failed.known) == {"prompt_qwen3_guard", "verdicts", "questions"}, (
        "the text's own measures are made again"
    )
    assert said_before(dict.fromkeys(SAID) | failed.known) == {"qwen3_guard": verdict}
    assert said_before(None) == {}

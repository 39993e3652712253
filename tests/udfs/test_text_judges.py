"""Judges of a prompt's text: how each is asked, what its answers mean, and that any other answer is an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conf.loading import CONF
from conf.scores import PROMPT_JUDGES, SCORES
from tests.tiny_chat import bigram_chat
from udfs.atoms import atom
from udfs.chat import Answer, Request
from udfs.chat_transformers import TransformersChat
from udfs.instructions import Instructions
from udfs.screens import JUDGED
from udfs.text_judges import ATTRIBUTE_NAMES, FORMATS, Asked, LoadedTextJudge, TextJudge, Verdict, VerdictError

YES = '{"category": "yes", "style": "yes", "atoms": "yes"}'
FACTS = [atom("count", "cat", "2"), atom("color", "cat", "red")]
TEXT = Asked("two red cats in the snow", "Snow, Places", "Flat", FACTS)
NOTHING = Asked("two red cats", None, None, [])
INSTRUCTIONS = Instructions(
    (CONF / "instructions" / "judge_attributes.txt").read_text(encoding="utf-8"), ATTRIBUTE_NAMES
)


@dataclass(frozen=True)
class Said:
    """A chat that answers what it is told to and keeps what it was asked."""

    say: Callable[[str], str]
    asked: list[Request] = field(default_factory=list)

    def complete(self, requests: list[Request]) -> list[Answer | Exception]:
        self.asked.extend(requests)
        return [Answer(self.say(request.messages[-1]["content"]), "stop", None, None) for request in requests]


def judged(kind: str, said: str, *texts: Asked) -> list[Verdict | Exception]:
    return LoadedTextJudge(judge(kind), Said(lambda _: said)).judge([*(texts or (TEXT,))])


def judge(kind: str, model: str = "m@1") -> TextJudge:
    chat: Any = SimpleNamespace(model=model, parameters={"temperature": 0})
    return TextJudge(kind, chat, INSTRUCTIONS)


def test_every_kind_has_a_format_and_fills_the_scores_that_it_is_named_for() -> None:
    assert [*FORMATS] == [*PROMPT_JUDGES]
    assert [name for name, score in SCORES.items() if score.scorer in PROMPT_JUDGES] == [*JUDGED]


@pytest.mark.parametrize("kind", FORMATS)
def test_what_a_judge_has_answered_in_the_same_words_is_not_asked_again(kind: str) -> None:
    guard = kind != "attributes_judge"
    chat = Said(lambda _: {"qwen3_guard": "Safety: Safe", "llama_guard_3": "safe"}.get(kind, YES))
    (first,) = LoadedTextJudge(judge(kind), chat).judge([TEXT])
    assert isinstance(first, Verdict)
    known = replace(TEXT, said={kind: first})
    other_facts = replace(known, facts=FACTS[:1])
    changed = [replace(known, text="two red cats in the sand"), *([] if guard else [other_facts])]
    unchanged = [known, *([other_facts] if guard else [])]
    chat.asked.clear()
    got = LoadedTextJudge(judge(kind), chat).judge([*changed, *unchanged])
    assert len(chat.asked) == len(changed)
    assert got[len(changed) :] == [first] * len(unchanged)
    assert len({verdict.question for verdict in got if isinstance(verdict, Verdict)}) == len(changed) + 1
    LoadedTextJudge(judge(kind, "m@2"), chat).judge([known])
    assert len(chat.asked) == len(changed) + 1, "another model is asked"


@pytest.mark.parametrize(
    ("kind", "said", "score"),
    [
        ("qwen3_guard", "Safety: Safe\nCategories: None", 0.0),
        ("qwen3_guard", "Safety: Controversial\nCategories: Politically Sensitive Topics", 0.5),
        ("qwen3_guard", "Safety: Unsafe\nCategories: Violent, PII", 1.0),
        ("llama_guard_3", "safe", 0.0),
        ("llama_guard_3", "\n\nunsafe\nS1,S12", 1.0),
        ("llama_guard_3", "unsafe", 1.0),
    ],
)
def test_a_guards_answer_is_a_score_and_is_kept(kind: str, said: str, score: float) -> None:
    verdict = judged(kind, said)[0]
    assert isinstance(verdict, Verdict)
    assert verdict.scores == {f"prompt_{kind}": score}
    assert verdict.said.replace(" / ", " ").split() == said.split()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("qwen3_guard", "This prompt is safe."),
        ("qwen3_guard", "Safety: Unknown"),
        ("llama_guard_3", "Safety: Safe"),
        ("llama_guard_3", "safe\nS1"),
        ("llama_guard_3", "I think that this is unsafe"),
    ],
)
def test_any_other_answer_is_an_error_of_its_row(kind: str, said: str) -> None:
    error = judged(kind, said)[0]
    assert isinstance(error, VerdictError)
    assert "is no answer of" in str(error)


def test_a_guard_is_asked_with_the_text_alone() -> None:
    chat = Said(lambda _: "safe")
    LoadedTextJudge(judge("llama_guard_3"), chat).judge([TEXT])
    assert chat.asked[0].messages == ({"role": "user", "content": TEXT.text},)
    assert chat.asked[0].schema is None


def test_the_attributes_judge_answers_one_json_with_a_key_a_question() -> None:
    verdict = judged("attributes_judge", '```json\n{"category": "yes", "style": "no", "atoms": "yes"}\n```')[0]
    assert isinstance(verdict, Verdict)
    assert verdict.scores == {"prompt_judge_category": 1, "prompt_judge_style": 0, "prompt_judge_atoms": 1}
    assert verdict.said == "category: yes, style: no, atoms: yes"
    assert type(judged("attributes_judge", "yes")[0]).__name__ == "JsonAnswerError"
    assert type(judged("attributes_judge", '{"category": "yes"}')[0]).__name__ == "JsonAnswerError"


@pytest.mark.parametrize(("yes", "no"), [("Yes", "No"), ("YES", "NO")])
def test_yes_and_no_may_be_written_in_capitals(yes: str, no: str) -> None:
    """As a server answers that does not enforce the schema; what is asked for stays yes or no in small letters."""
    verdict = judged("attributes_judge", f'{{"category": "{yes}", "style": "{no}", "atoms": "{yes}"}}')[0]
    assert isinstance(verdict, Verdict)
    assert verdict.scores == {"prompt_judge_category": 1, "prompt_judge_style": 0, "prompt_judge_atoms": 1}
    assert verdict.said == f"category: {yes}, style: {no}, atoms: {yes}", "as it was said"
    chat = Said(lambda _: "x")
    LoadedTextJudge(judge("attributes_judge"), chat).judge([TEXT])
    assert "'enum': ['yes', 'no']" in repr(chat.asked[0].schema)


def test_any_other_word_of_the_attributes_judge_is_an_error() -> None:
    for word in ("perhaps", "yes, it does", ""):
        error = judged("attributes_judge", f'{{"category": "{word}", "style": "no", "atoms": "yes"}}')[0]
        assert type(error).__name__ == "JsonAnswerError"


def test_an_answer_that_cannot_be_read_is_an_error_of_its_text_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(asked: Asked, answer: Answer) -> Verdict:
        if asked == NOTHING:
            raise ValueError("unreadable")
        return verdict_of(asked, answer)

    request_for, verdict_of = FORMATS["llama_guard_3"]
    monkeypatch.setitem(FORMATS, "llama_guard_3", (request_for, failing))
    first, second, third = judged("llama_guard_3", "safe", TEXT, NOTHING, TEXT)
    assert (type(second), str(second)) == (ValueError, "unreadable")
    assert isinstance(first, Verdict)
    assert first == third


def test_what_has_no_label_and_no_fact_is_not_asked() -> None:
    chat = Said(lambda words: '{"style": "no"}')
    loaded = LoadedTextJudge(judge("attributes_judge"), chat)
    only_style, nothing = loaded.judge([Asked("two red cats", None, "Flat", []), NOTHING])
    assert isinstance(only_style, Verdict)
    assert isinstance(nothing, Verdict)
    assert only_style.scores == {"prompt_judge_category": 1, "prompt_judge_style": 0, "prompt_judge_atoms": 1}
    assert nothing.scores == {"prompt_judge_category": 1, "prompt_judge_style": 1, "prompt_judge_atoms": 1}
    assert nothing.said == ""
    assert len(chat.asked) == 1
    words = chat.asked[0].messages[0]["content"]
    assert "style Flat" in words
    assert "category" not in words


def test_the_facts_are_in_the_question() -> None:
    chat = Said(lambda _: '{"category": "yes", "style": "yes", "atoms": "yes"}')
    LoadedTextJudge(judge("attributes_judge"), chat).judge([TEXT])
    words = chat.asked[0].messages[0]["content"]
    assert "- count cat 2\n- color cat red" in words
    assert "category Snow, Places" in words


@pytest.mark.parametrize("kind", [*FORMATS])
def test_a_text_that_got_no_answer_is_asked_with_another_seed(kind: str) -> None:
    chat = Said(lambda _: "no answer")
    loaded = LoadedTextJudge(judge(kind), chat)
    loaded.judge([TEXT, TEXT, replace(TEXT, tried=1), replace(TEXT, tried=2)])
    first, same, *again = [request.seed for request in chat.asked]
    assert first == same
    assert len({first, *again}) == 3


def test_a_model_in_process_answers_too(tmp_path: Path) -> None:
    chat = TransformersChat(
        "guard", "tiny", str(bigram_chat(tmp_path, "unsafe")), "1", "float32", temperature=0, top_p=1, max_tokens=4
    )
    verdict: Any = TextJudge("llama_guard_3", chat).load("cpu").judge([TEXT, NOTHING])
    assert [item.scores for item in verdict] == [{"prompt_llama_guard_3": 1.0}] * 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no field", r"it lacks {text}"),
        ("{text} {what}", r"it has the fields \['what'\]; allowed: text, questions, keys"),
        ("{text} }", "Single '}'"),
        ("{text} {}", "it has the fields"),
    ],
)
def test_instructions_that_cannot_be_filled_in_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Instructions(text, ATTRIBUTE_NAMES)

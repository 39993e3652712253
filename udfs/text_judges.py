"""Language models that judge a prompt's text: two guards of safety in their own formats, and a judge of what it states.

A guard is asked with the text as a user's message: the instruction and its categories are in the model's own chat
template. Formats: Qwen3Guard-Gen answers 'Safety: Unsafe' and 'Categories: Violent'; Llama-Guard-3 'unsafe' and 'S1,S9'.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from udfs.atoms import Atom
from udfs.chat import Answer, Chat, ChatError, LoadedChat, Request
from udfs.held_atoms import in_words
from udfs.ids import content_id
from udfs.instructions import Instructions, ask, listed
from udfs.json_answers import parsed

ATTRIBUTE_NAMES = ("text", "questions", "keys")
_SEVERITY = {"safe": 0.0, "controversial": 0.5, "unsafe": 1.0}
_QWEN = re.compile(r"^\s*Safety:\s*(Safe|Unsafe|Controversial)\s*$", re.MULTILINE)
_LLAMA = re.compile(r"\s*(safe|unsafe)\s*(?:\n\s*(S\d{1,2}(?:\s*,\s*S\d{1,2})*)\s*)?")
_ANSWERS = ("yes", "no")
# A server that does not enforce the schema lets the model spell them so.
_SPELLINGS = tuple(spelled(answer) for spelled in (str.lower, str.capitalize, str.upper) for answer in _ANSWERS)
_QUESTIONS = {
    "category": "category: does the prompt describe a picture of the category {about}?",
    "style": "style: could a picture in the style {about} be what the prompt asks for?",
    "atoms": "atoms: does the prompt state all of these facts, none of them changed?\n{about}",
}


# kind of judge -> its scores
SCORES_OF = {
    "qwen3_guard": ("prompt_qwen3_guard",),
    "llama_guard_3": ("prompt_llama_guard_3",),
    "attributes_judge": tuple(f"prompt_judge_{key}" for key in _QUESTIONS),
}


class VerdictError(ChatError):
    """The judge's answer is none of those that its format has."""


@dataclass(frozen=True)
class Asked:
    """A text to judge. category, style: what the label means, None without a label; facts: what it must state.
    tried: how often it was asked before without an answer; said: kind of judge -> what one has answered before.
    """

    text: str
    category: str | None
    style: str | None
    facts: Sequence[Atom]
    tried: int = 0
    said: Mapping[str, Verdict] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """question: the id of what was asked, and of who was asked how."""

    scores: dict[str, float]
    said: str
    question: str = ""


@dataclass(frozen=True)
class TextJudge:
    """kind: a key of FORMATS. instructions: of the attributes judge; a guard has its own in its chat template."""

    kind: str
    chat: Chat
    instructions: Instructions | None = None

    @property
    def parts(self) -> list[Any]:
        """Everything that shapes its answers besides the text."""
        return [self.kind, self.chat.model, self.chat.parameters, self.instructions and self.instructions.digest]

    def load(self, device: str) -> LoadedTextJudge:
        return LoadedTextJudge(self, self.chat.load(device))


@dataclass(frozen=True)
class LoadedTextJudge:
    spec: TextJudge
    chat: LoadedChat

    def judge(self, texts: list[Asked]) -> list[Verdict | Exception]:
        """One verdict a text, or what went wrong with it. A text with nothing to ask is not asked, and what this judge
        has answered before, asked in the same words, is not asked, or paid for, again."""
        request_for, verdict_of = FORMATS[self.spec.kind]
        requests = [request_for(text, self.spec.instructions) for text in texts]
        questions = [self._question(request) for request in requests]
        before = [text.said.get(self.spec.kind) for text in texts]
        known = [old if old and old.question == id_ else None for old, id_ in zip(before, questions, strict=True)]
        lacking = [request for request, old in zip(requests, known, strict=True) if request is not None and old is None]
        answers = iter(self.chat.complete(lacking) if lacking else [])
        found: list[Verdict | Exception] = []
        for text, request, question, old in zip(texts, requests, questions, known, strict=True):
            if old is not None:
                found.append(old)
                continue
            answer = Answer("", "stop", None, None) if request is None else next(answers)
            verdict = answer if isinstance(answer, Exception) else _caught(verdict_of, text, answer)
            found.append(verdict if isinstance(verdict, Exception) else replace(verdict, question=question))
        return found

    def _question(self, request: Request | None) -> str:
        """Of everything that shapes the answer: not of the seed, which a server may ignore."""
        asked = None if request is None else [list(request.messages), request.schema]
        return content_id([*self.spec.parts, asked])[:12]


def qwen3_guard(_: Asked, answer: Answer) -> Verdict:
    match = _QWEN.search(answer.text)
    if match is None:
        raise VerdictError(f"{answer.text[:200]!r} is no answer of Qwen3Guard-Gen ('Safety: Safe', ...)", answer)
    return Verdict({"prompt_qwen3_guard": _SEVERITY[match[1].lower()]}, " / ".join(answer.text.split("\n")))


def llama_guard_3(_: Asked, answer: Answer) -> Verdict:
    match = _LLAMA.fullmatch(answer.text)
    if match is None or (match[1] == "safe" and match[2]):
        raise VerdictError(
            f"{answer.text[:200]!r} is no answer of Llama-Guard-3 ('safe', or 'unsafe' and 'S1,S2')", answer
        )
    return Verdict({"prompt_llama_guard_3": _SEVERITY[match[1]]}, " ".join(answer.text.split()))


def attributes(asked: Asked, answer: Answer) -> Verdict:
    """1 for yes, 0 for no, in small or capital letters; 1 for what was not asked, since there is no label or no fact to
    miss.
    """
    questions = _questions(asked)
    said = parsed(answer, _schema(questions, _SPELLINGS)) if questions else {}
    scores = {f"prompt_judge_{key}": float(said.get(key, "yes").lower() == "yes") for key in _QUESTIONS}
    return Verdict(scores, ", ".join(f"{key}: {said[key]}" for key in questions))


def _text_alone(asked: Asked, _: Instructions | None) -> Request:
    return ask(asked.text, tried=asked.tried)


def _attribute_questions(asked: Asked, instructions: Instructions | None) -> Request | None:
    questions = _questions(asked)
    if not questions or instructions is None:
        return None
    values = {"text": asked.text, "questions": "\n".join(questions.values()), "keys": ", ".join(questions)}
    return instructions.request(values, _schema(questions), asked.tried)


def _questions(asked: Asked) -> dict[str, str]:
    facts = listed([in_words(fact) for fact in asked.facts]) if asked.facts else None
    about = {"category": asked.category, "style": asked.style, "atoms": facts}
    return {key: words.format(about=about[key]) for key, words in _QUESTIONS.items() if about[key] is not None}


def _schema(questions: dict[str, str], answers: Sequence[str] = _ANSWERS) -> dict[str, object]:
    answer = {"type": "string", "enum": [*answers]}
    return {
        "type": "object",
        "properties": dict.fromkeys(questions, answer),
        "required": [*questions],
        "additionalProperties": False,
    }


def _caught(verdict_of: VerdictOf, text: Asked, answer: Answer) -> Verdict | Exception:
    try:
        return verdict_of(text, answer)
    except Exception as error:  # of this answer alone: those beside it are paid for
        return error


RequestFor = Callable[[Asked, Instructions | None], Request | None]
VerdictOf = Callable[[Asked, Answer], Verdict]
# kind -> (what is asked, what the answer means); the kinds are those of conf/scores.py PROMPT_JUDGES
FORMATS: dict[str, tuple[RequestFor, VerdictOf]] = {
    "qwen3_guard": (_text_alone, qwen3_guard),
    "llama_guard_3": (_text_alone, llama_guard_3),
    "attributes_judge": (_attribute_questions, attributes),
}

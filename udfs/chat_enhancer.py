"""A language model as the enhancer: a longer text that must still state every fact of the prompt; the screens check it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from udfs.atoms import Atom
from udfs.chat import (
    Answer,
    Chat,
    ChatError,
    EmptyAnswerError,
    LoadedChat,
    RefusedError,
    Request,
    ResidueError,
    shown,
    without_thought,
)
from udfs.encoding import mended
from udfs.held_atoms import in_words, stated
from udfs.ids import content_id, normalised
from udfs.instructions import Instructions, listed
from udfs.text_measures import refusal, residue

NAMES = ("text", "facts", "category", "style", "language")


@dataclass(frozen=True)
class ChatEnhancer:
    """labels: slug -> what it means, of categories and styles; language: ISO 639-1, of the texts."""

    chat: Chat
    instructions: Instructions
    categories: tuple[tuple[str, str], ...]
    styles: tuple[tuple[str, str], ...]
    language: str
    licence: str

    @property
    def model(self) -> str:
        """name@revision; with other instructions or another sampling it is another enhancer."""
        return f"{self.chat.model}-{content_id(self.parameters)[:8]}"

    @property
    def parameters(self) -> dict[str, Any]:
        return self.chat.parameters | {"instructions": self.instructions.digest, "language": self.language}

    @property
    def batch_size(self) -> int:
        return self.chat.batch_size

    @property
    def chats(self) -> tuple[Chat, ...]:
        return (self.chat,)

    def load(self, device: str) -> LoadedChatEnhancer:
        return LoadedChatEnhancer(self, self.chat.load(device))


@dataclass(frozen=True)
class LoadedChatEnhancer:
    spec: ChatEnhancer
    chat: LoadedChat

    def enhance(self, prompts: list[dict[str, Any]]) -> list[tuple[str, list[Atom] | None] | Exception]:
        """The atoms are those of the prompt: the new text must hold them, and what it adds nobody has read."""
        answers = self.chat.complete([self._request(prompt) for prompt in prompts])
        return [
            answer if isinstance(answer, Exception) else _read(answer, prompt["atoms"])
            for prompt, answer in zip(prompts, answers, strict=True)
        ]

    def _request(self, prompt: dict[str, Any]) -> Request:
        facts = [in_words(fact) for fact in stated(prompt["text"], prompt["atoms"])]
        return self.spec.instructions.request({
            "text": prompt["text"],
            "facts": listed(facts),
            "category": dict(self.spec.categories).get(prompt["category"], "any"),
            "style": dict(self.spec.styles).get(prompt["style"], "that of the prompt"),
            "language": self.spec.language,
        }, tried=prompt["tried"])  # fmt: skip


def _read(answer: Answer, atoms: list[Atom] | None) -> tuple[str, list[Atom] | None] | Exception:
    try:
        return _written(answer, atoms)
    except Exception as error:  # of this answer alone: those beside it are paid for
        return error


def _written(answer: Answer, atoms: list[Atom] | None) -> tuple[str, list[Atom] | None] | ChatError:
    said = mended(without_thought(answer.text)).strip()
    if refusal(said):
        return RefusedError(f"the model refused: {shown(said)}", answer)
    if not said:
        return EmptyAnswerError("the answer holds a thought and no prompt", answer)
    if residue(said):
        return ResidueError(f"the answer is not the prompt alone: {shown(said)}", answer)
    return normalised(said), atoms or None

"""Instructions for a language model: a readable file with fields in braces that are filled in for each prompt."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from string import Formatter

from udfs.chat import Request
from udfs.ids import content_id

_SEEDS = 2**31


@dataclass(frozen=True, repr=False)
class Instructions:
    """A text with {text} and, if it likes, other fields of `allowed`; a brace is written twice.

    ValueError, with what is allowed, where it has another field or lacks {text}.
    """

    text: str
    allowed: tuple[str, ...]

    def __post_init__(self) -> None:
        found = {name for _, name, _, _ in Formatter().parse(self.text) if name is not None}
        strange = sorted(found - set(self.allowed))
        if strange or "text" not in found:
            what = f"it has the fields {strange}" if strange else "it lacks {text}"
            raise ValueError(f"{what}; allowed: {', '.join(self.allowed)}, each in braces, and a brace written twice")

    def __repr__(self) -> str:
        return f"Instructions({self.digest})"

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]

    def request(self, values: dict[str, str], schema: dict[str, object] | None = None, tried: int = 0) -> Request:
        """One conversation of one message: see `ask`."""
        return ask(self.text.format(**values), schema, tried)


def ask(words: str, schema: dict[str, object] | None = None, tried: int = 0) -> Request:
    """The seed is made of the words, so the same words are drawn alike, and of how often they were asked before: what
    went wrong once would go wrong again.
    """
    seed = int(content_id([words, tried] if tried else words)[:8], 16) % _SEEDS
    return Request(({"role": "user", "content": words},), schema, seed)


def listed(facts: list[str]) -> str:
    """Facts as a list in an instruction."""
    return "\n".join(f"- {fact}" for fact in facts) if facts else "- (none)"

"""Instructions for a language model: a readable file with $names in it that are filled in for each prompt."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from string import Template

from udfs.chat import Request
from udfs.ids import content_id

_SEEDS = 2**31


@dataclass(frozen=True, repr=False)
class Instructions:
    """A text with $text and, if it likes, other names of `allowed`; a dollar is written $$.

    ValueError, with what is allowed, where it has another name or lacks $text.
    """

    text: str
    allowed: tuple[str, ...]

    def __post_init__(self) -> None:
        template = Template(self.text)
        found = set(template.get_identifiers()) if template.is_valid() else set()
        if "text" not in found or not found <= set(self.allowed):
            strange = sorted(found - set(self.allowed))
            what = f"it has ${', $'.join(strange)}" if strange else "it lacks $text, or has a $ that begins no name"
            raise ValueError(f"{what}; allowed: ${', $'.join(self.allowed)} (and $$ for a dollar)")

    def __repr__(self) -> str:
        return f"Instructions({self.digest})"

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]

    def request(self, values: dict[str, str], schema: dict[str, object] | None = None) -> Request:
        """One conversation of one message; its seed is made of its words, so the same words are drawn alike."""
        words = Template(self.text).substitute(values)
        return ask(words, schema)


def ask(words: str, schema: dict[str, object] | None = None) -> Request:
    seed = int(content_id(words)[:8], 16) % _SEEDS
    return Request(({"role": "user", "content": words},), schema, seed)


def listed(facts: list[str]) -> str:
    """Facts as a list in an instruction."""
    return "\n".join(f"- {fact}" for fact in facts) if facts else "- (none)"

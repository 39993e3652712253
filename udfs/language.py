"""How probable it is that a text is written in a language: py3langid over all of its languages."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from udfs.attributes import unquoted
from udfs.errors import ExplainedError


class LanguageError(ExplainedError):
    """The taxonomy's language is none that can be told apart."""


@dataclass(frozen=True)
class Language:
    """code: ISO 639-1, as in a taxonomy's `language`."""

    code: str

    @property
    def revision(self) -> str:
        return f"{self.code}/{version('py3langid')}/likeliest"

    def load(self) -> LanguageProbability:
        return LanguageProbability(self.code)


class LanguageProbability:
    def __init__(self, code: str) -> None:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        # every language competes: restricted to a few, the model would call anything else one of them
        self._identifier: Any = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        if code not in self._identifier.labels:
            allowed = ", ".join(sorted(self._identifier.labels))
            raise LanguageError(
                f"the taxonomy's language {code!r} is not known. Allowed: {allowed}. Correct it in the taxonomy."
            )
        self._code = code

    def of(self, text: str) -> float:
        """0-1, as against the likeliest other language alone: a short text leaves a little to each of very many.

        What stands in quotes is a sign's or a menu's language, not the prompt's. A text of no letters at all gets 0.
        """
        told = unquoted(text)
        ranked = dict(self._identifier.rank(told if _lettered(told) else text))
        own = ranked.pop(self._code)
        return float(own / (own + max(ranked.values()))) if _lettered(text) else 0.0


def _lettered(text: str) -> bool:
    return any(letter.isalpha() for letter in text)

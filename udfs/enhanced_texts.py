"""Enhancer and screens as one model: one pass over the prompts gives the longer text and its own screens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from udfs import screens
from udfs.atoms import ARROW, Atom
from udfs.chat import Chat, in_flight
from udfs.enhancers import GrammarEnhancer
from udfs.errors import ExplainedError
from udfs.harness import free_memory, is_fatal, is_out_of_memory
from udfs.held_atoms import stated
from udfs.screens import Screener, Screens

COLUMNS = (("text", pa.string()), ("atoms", ARROW), *screens.COLUMNS)
Row = dict[str, Any]
Enhanced = tuple[str, list[Atom] | None]


class LoadedEnhancer(Protocol):
    def enhance(self, prompts: list[Row]) -> list[Enhanced | Exception]:
        """Text and atoms, or what went wrong, of each prompt, in order."""


class Enhancer(Protocol):
    """A frozen, picklable spec of an enhancer. licence: that of its texts; chats: whom it asks."""

    @property
    def model(self) -> str: ...

    @property
    def parameters(self) -> dict[str, Any]: ...

    @property
    def licence(self) -> str: ...

    @property
    def batch_size(self) -> int: ...

    @property
    def chats(self) -> tuple[Chat, ...]: ...

    def load(self, device: str) -> LoadedEnhancer: ...


@dataclass(frozen=True)
class OfflineEnhancer:
    """The grammar, as the enhancer that it is where a recipe names no language model."""

    grammar: GrammarEnhancer
    batch_size: int = 512
    licence: str = "Apache-2.0"  # the grammar's words are this project's own
    chats: tuple[Chat, ...] = ()

    @property
    def model(self) -> str:
        return self.grammar.model

    @property
    def parameters(self) -> dict[str, Any]:
        return {}

    def load(self, device: str) -> LoadedOfflineEnhancer:
        return LoadedOfflineEnhancer(self.grammar)


@dataclass(frozen=True)
class LoadedOfflineEnhancer:
    grammar: GrammarEnhancer

    def enhance(self, prompts: list[Row]) -> list[Enhanced | Exception]:
        return [self._one(prompt) for prompt in prompts]

    def _one(self, prompt: Row) -> Enhanced | Exception:
        try:
            text, atoms = self.grammar.enhance(prompt) if self.grammar.wrote(prompt) else self.grammar.finish(prompt)
        except Exception as error:  # of this prompt alone
            return error
        return text, atoms or None


@dataclass(frozen=True)
class EnhancedTexts:
    """One operator, since two models in one plan would run in two processes."""

    enhancer: Enhancer
    screens: Screens

    @property
    def batch_size(self) -> int:
        return self.enhancer.batch_size

    @property
    def in_flight(self) -> int:
        return in_flight([*self.enhancer.chats, *self.screens.chats])

    @property
    def model(self) -> str:
        return self.enhancer.model

    def load(self, device: str) -> EnhancingScreener:
        return EnhancingScreener(self.enhancer.load(device), self.screens.load(device))


class EnhancingScreener:
    """Rows of prompts (with text, labels, writer, atoms, tried) -> text, atoms and the screens of the new text.

    made: in a row, the text and atoms of an earlier run whose screens failed, and what judges said of it (SAID of udfs/screens.py).
    They are screened again; nobody is asked, or paid, for another text.
    """

    def __init__(self, enhancer: LoadedEnhancer, screener: Screener) -> None:
        self._enhancer = enhancer
        self._screener = screener

    def prepare(self, row: Row) -> Row:
        return row

    def group(self, prepared: Row) -> None:
        """All prompts may share a batch."""

    def run(self, batch: list[Row]) -> list[Row | Exception]:
        made = self._made(batch)
        ready = [
            answer if isinstance(answer, Exception) else self._prepared(row, *answer)
            for row, answer in zip(batch, made, strict=True)
        ]
        screened = iter(self._screened([item for item in ready if not isinstance(item, Exception)]))
        answers = [item if isinstance(item, Exception) else next(screened) for item in ready]
        return [self._joined(*both) for both in zip(made, answers, strict=True)]

    def finish(self, row: Row, result: Row) -> Row:
        return self._screener.finish(row, result)

    def _made(self, batch: list[Row]) -> list[Enhanced | Exception]:
        lacking = [row for row in batch if not row.get("made")]
        new = iter(self._enhancer.enhance(lacking) if lacking else [])
        return [(row["made"]["text"], row["made"]["atoms"]) if row.get("made") else next(new) for row in batch]

    def _screened(self, texts: list[screens.Prepared]) -> list[Row | Exception]:
        """The screens of texts that are there. What raises is halved here until it is one text's own: udfs/harness.py would
        halve the whole batch, and each half would ask, and pay, for its texts again.
        """
        if not texts:
            return []
        try:
            return self._screener.run(texts)
        except Exception as error:
            if is_fatal(error) or isinstance(error, ExplainedError):
                raise
            # without its frames what they hold is free before the halves run
            error.__traceback__ = error.__context__ = error.__cause__ = None
            failure = error
        if len(texts) == 1:
            return [failure]
        if is_out_of_memory(failure):
            free_memory()
        half = len(texts) // 2
        return self._screened(texts[:half]) + self._screened(texts[half:])

    def _prepared(self, row: Row, text: str, atoms: list[Atom] | None) -> screens.Prepared | Exception:
        """The new text with the labels of the prompt, and to be held what the prompt states; or what it raised, which is
        its own."""
        said = row["made"]["said"] if row.get("made") else None
        new = row | {"text": text, "atoms": atoms, "embedding": None, "said": said}
        try:
            return self._screener.prepare(new, stated(row["text"], row["atoms"]))
        except Exception as error:
            if is_fatal(error) or isinstance(error, ExplainedError):
                raise
            return error

    @staticmethod
    def _joined(enhanced: Enhanced | Exception, answers: Row | Exception) -> Row | Exception:
        if isinstance(enhanced, Exception):
            return enhanced
        text, atoms = enhanced
        own = {"text": text, "atoms": atoms}
        if isinstance(answers, Exception):
            # udfs/harness.py puts it into the error row
            answers.known = own | getattr(answers, "known", {})  # type: ignore[attr-defined]
            return answers
        return own | answers

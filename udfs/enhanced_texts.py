"""Enhancer and screens as one model: one pass over the prompts gives the longer text and its own screens."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from udfs import screens
from udfs.atoms import ARROW
from udfs.enhancers import GrammarEnhancer
from udfs.screens import Prepared, Screener, Screens

COLUMNS = (("text", pa.string()), ("atoms", ARROW), *screens.COLUMNS)


@dataclass(frozen=True)
class EnhancedTexts:
    """One operator, since two models in one plan would run in two processes."""

    enhancer: GrammarEnhancer
    screens: Screens

    @property
    def batch_size(self) -> int:
        return self.screens.batch_size

    @property
    def model(self) -> str:
        return self.enhancer.model

    def load(self, device: str) -> EnhancingScreener:
        return EnhancingScreener(self.enhancer, self.screens.load(device))


@dataclass(frozen=True)
class _Enhanced:
    own: dict[str, Any]
    prepared: Prepared


class EnhancingScreener:
    """Rows of prompts (with text, labels, template, atoms) -> text, atoms and the screens of the new text."""

    def __init__(self, enhancer: GrammarEnhancer, screener: Screener) -> None:
        self._enhancer = enhancer
        self._screener = screener

    def prepare(self, row: dict[str, Any]) -> _Enhanced:
        text, atoms = self._enhancer.enhance(row)
        own = {"text": text, "atoms": atoms or None}
        return _Enhanced(own, self._screener.prepare(own | {"task": row["task"], "embedding": None}))

    def group(self, prepared: _Enhanced) -> Hashable:
        return self._screener.group(prepared.prepared)

    def run(self, batch: list[_Enhanced]) -> list[dict[str, Any]]:
        scores = self._screener.run([item.prepared for item in batch])
        return [item.own | values for item, values in zip(batch, scores, strict=True)]

    def finish(self, row: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
        return result

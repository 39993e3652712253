"""Captioners: a photograph's row in, its short and its long caption out. A policy counts the captions of one."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from udfs.ids import normalised

COLUMNS = (("short_caption", pa.string()), ("long_caption", pa.string()))


class NoCaptionError(ValueError):
    """The source gives no text for this photograph."""


@dataclass(frozen=True)
class SourceTextCaptioner:
    """The texts that came with the photograph: its caption, and as the long one its long caption, or the caption again
    where there is none."""

    name: str = "source_text"
    revision: str = "1"
    batch_size: int = 256
    needs_device: bool = False

    @property
    def model(self) -> str:
        return f"{self.name}@{self.revision}"

    def load(self, device: str) -> _LoadedSourceText:
        return _LoadedSourceText()


class _LoadedSourceText:
    def prepare(self, row: dict[str, Any]) -> tuple[str, str]:
        short, long = (normalised(row[name] or "") for name in ("source_caption", "source_long_caption"))
        if not short:
            raise NoCaptionError(
                "the source gives no caption; write one into the metadata file and run ingest_photos again,"
                " which says how to take it over"
            )
        return short, long or short

    def group(self, prepared: tuple[str, str]) -> Hashable:
        return None

    def run(self, batch: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return batch

    def finish(self, row: dict[str, Any], result: tuple[str, str]) -> dict[str, Any]:
        short, long = result
        return {"short_caption": short, "long_caption": long}

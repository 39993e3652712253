"""Photographs: a file in, an upright sRGB JPEG without metadata out. The work of ingest_photos, in the harness's four
steps."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from udfs.codec import sha256, upright_photo

COLUMNS = (
    ("width", pa.int32()),
    ("height", pa.int32()),
    ("image", pa.binary()),
    ("sha256", pa.string()),
    ("source_sha256", pa.string()),
    ("converted", pa.bool_()),
)


@dataclass(frozen=True)
class PhotoReader:
    """Reads the file at each row's `location` (a path that every worker sees). quality: of pixels that must be encoded
    anew, 1-100."""

    quality: int
    batch_size: int = 8  # whole files wait in memory: few at a time
    needs_device: bool = False

    def load(self, device: str) -> _Reader:
        return _Reader(self.quality)


@dataclass(frozen=True)
class _Reader:
    quality: int

    def prepare(self, row: dict[str, Any]) -> dict[str, Any]:
        """Read and convert on the harness's threads; FileNotFoundError, UnidentifiedImageError, OSError ... become the
        row's error."""
        data = Path(row["location"]).read_bytes()
        image, (width, height), converted = upright_photo(data, self.quality)
        return {
            "width": width,
            "height": height,
            "image": image,
            "sha256": sha256(image),
            "source_sha256": sha256(data),
            "converted": converted,
        }

    def group(self, prepared: dict[str, Any]) -> Hashable:
        return None

    def run(self, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return batch

    def finish(self, row: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
        return result

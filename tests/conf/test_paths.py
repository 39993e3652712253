"""A model's folder given -> its digest, which every row that the model made carries."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from conf.paths import folder_digest


def test_a_folders_digest_is_over_names_and_bytes_and_reads_no_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = {"config.json": b"{}", "unet/empty": b"", "unet/weights.safetensors": b"\x00weights" * 100_000}
    for name, data in {**inside, "README.md": b"the card", ".cache/etag": b"hidden"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    formula = hashlib.sha256(
        b"".join(name.encode() + b"\0" + hashlib.sha256(data).digest() for name, data in inside.items())
    )

    def whole(path: Path) -> bytes:
        raise MemoryError(f"{path} is larger than the driver")

    monkeypatch.setattr(Path, "read_bytes", whole)
    assert folder_digest(tmp_path) == formula.hexdigest()[:12]


def test_a_files_digest_is_over_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "head.safetensors").write_bytes(b"weights")
    formula = hashlib.sha256(b".\0" + hashlib.sha256(b"weights").digest())
    assert folder_digest(tmp_path / "head.safetensors") == formula.hexdigest()[:12]

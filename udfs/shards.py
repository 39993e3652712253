"""Shards: rows sorted by (subset, shard, image_id) in, finished files out. A tar beside its index (Parquet) and its
counts (JSON).

The bytes of a shard depend on its samples alone: members in order of their keys, USTAR headers with time 0 and a fixed
owner and mode. So whichever worker writes it, however the rows were cut into partitions, and however often, the file is
the same.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from udfs.atomic_files import HashedFile, atomic_file, file_sha256, write_file
from udfs.errors import ExplainedError
from udfs.samples import Names, SampleError, check_picture, texts

FILES = pa.schema(
    [
        ("subset", pa.string()),
        ("shard", pa.int32()),
        ("file", pa.string()),  # below the release's folder
        ("bytes", pa.int64()),
        ("sha256", pa.string()),
        ("samples", pa.int32()),
        ("problem", pa.string()),  # why the shard could not be written; null with each file of one that was
    ]
)
ENDINGS = (".tar", ".parquet", "_stats.json")  # in the order in which they are written
# img2dataset's columns first: its users' scripts read them
_INDEX = [
    ("key", pa.string()),
    ("caption", pa.string()),
    ("url", pa.string()),
    ("status", pa.string()),
    ("error_message", pa.string()),
    ("width", pa.int32()),
    ("height", pa.int32()),
    ("original_width", pa.int32()),
    ("original_height", pa.int32()),
    ("sha256", pa.string()),
]
_OURS = [
    (name, pa.string())
    for name in ("prompt", "enhanced_prompt", "task", "category", "style", "licence", "author", "subset")
]


def shard_of(key: str, shards: int) -> int:
    """The shard of a key: the first 8 hex digits of its SHA-256, modulo the number of shards."""
    return int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) % shards


def shard_file(subset: str, shard: int, ending: str) -> str:
    """'curated/train-000000.tar'; endings: .tar, .parquet, _stats.json."""
    return f"{subset}/train-{shard:06d}{ending}"


@dataclass(frozen=True)
class ShardWriter:
    """A callable for mapInArrow. folder: the release's, on a path that every worker sees.

    Its rows: the sample's columns (image null) and, under the same subset, shard and image_id, its picture (the rest
    null), side by side. A shard that cannot be written leaves nothing behind and is one row with its problem: an
    exception would stop the other tasks wherever they are, and Spark prints the traceback of each.
    """

    folder: str
    names: Names

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = (row for batch in batches for row in batch.to_pylist())
        for (subset, shard), group in groupby(rows, key=lambda row: (row["subset"], row["shard"])):
            yield pa.RecordBatch.from_pylist(self._answer(subset, shard, paired(group)), schema=FILES)

    def _answer(self, subset: str, shard: int, samples: Iterable[tuple[dict[str, Any], bytes]]) -> list[dict[str, Any]]:
        try:
            return self.write(subset, shard, samples)
        except ExplainedError as error:
            return [{"subset": subset, "shard": shard, "problem": str(error)}]

    def write(self, subset: str, shard: int, samples: Iterable[tuple[dict[str, Any], bytes]]) -> list[dict[str, Any]]:
        """Write one shard, one sample in memory at a time; a row of FILES for each of its three files.

        FileWriteError and SampleError name the file or the key.
        """
        index: list[dict[str, Any]] = []
        tar = Path(self.folder) / shard_file(subset, shard, ".tar")
        with atomic_file(tar) as out:
            for row, image in samples:
                check_picture(row, image)
                caption, record = texts(row, self.names)
                for ending, data in (("jpg", image), ("json", record), ("txt", caption)):
                    add_member(out, f"{row['image_id']}.{ending}", data)
                index.append(_indexed(row))
            end_archive(out)
        written = [(".tar", out.bytes, out.sha256)]
        for ending, data in ((".parquet", self._parquet(index)), ("_stats.json", _stats(len(index)))):
            written.append((ending, *write_file(Path(self.folder) / shard_file(subset, shard, ending), data)))
        return _files(subset, shard, len(index), written)

    def _parquet(self, index: list[dict[str, Any]]) -> bytes:
        scores = [(name, pa.float64()) for name in self.names.scores]
        sink = pa.BufferOutputStream()
        pq.write_table(
            pa.Table.from_pylist(index, schema=pa.schema([*_INDEX, *_OURS, ("shard", pa.int32()), *scores])),
            sink,
            compression="zstd",
        )
        return sink.getvalue().to_pybytes()


@dataclass(frozen=True)
class ShardReader:
    """A callable for mapInArrow: (subset, shard) of whole shards below `folder` in, their rows of FILES out."""

    folder: str

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for row in batch.to_pylist():
                yield pa.RecordBatch.from_pylist(self._read(row["subset"], row["shard"]), schema=FILES)

    def _read(self, subset: str, shard: int) -> list[dict[str, Any]]:
        paths = {ending: Path(self.folder) / shard_file(subset, shard, ending) for ending in ENDINGS}
        samples = json.loads(paths["_stats.json"].read_bytes())["count"]
        return _files(
            subset, shard, samples, [(e, path.stat().st_size, file_sha256(path)) for e, path in paths.items()]
        )


def _files(subset: str, shard: int, samples: int, written: list[tuple[str, int, str]]) -> list[dict[str, Any]]:
    """The rows of FILES of a shard; written: ending, bytes, SHA-256 of each."""
    return [
        {
            "subset": subset,
            "shard": shard,
            "file": shard_file(subset, shard, ending),
            "bytes": n,
            "sha256": digest,
            "samples": samples,
            "problem": None,
        }
        for ending, n, digest in written
    ]


def paired(rows: Iterator[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], bytes]]:
    """(sample, its picture) of neighbouring rows. SampleError for a sample without a picture, a picture without one, or
    a key that comes twice."""
    for (_, _, key), group in groupby(rows, key=lambda row: (row["subset"], row["shard"], row["image_id"])):
        both = list(group)
        samples = [row for row in both if row["image"] is None]
        pictures = [row["image"] for row in both if row["image"] is not None]
        if len(samples) != 1 or len(pictures) != 1:
            raise SampleError(
                f"{key}: {len(samples)} samples and {len(pictures)} pictures have this key; one of each is expected"
            )
        yield samples[0], pictures[0]


def add_member(out: HashedFile, name: str, data: bytes) -> None:
    """One file of a tar: a header that holds nothing of this machine or moment, the bytes, zeros up to the next
    block."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    out.write(info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict"))
    out.write(data)
    out.write(bytes(-len(data) % tarfile.BLOCKSIZE))


def end_archive(out: HashedFile) -> None:
    """Two blocks of zeros, then zeros up to a whole record, as tar itself writes."""
    end = 2 * tarfile.BLOCKSIZE
    out.write(bytes(end + -(out.bytes + end) % tarfile.RECORDSIZE))


def _indexed(row: dict[str, Any]) -> dict[str, Any]:
    own = {"key": row["image_id"], "url": row["source_url"], "status": "success", "error_message": None}
    return row | own | {"original_width": row["width"], "original_height": row["height"]}


def _stats(samples: int) -> bytes:
    """img2dataset's counts, without its times: equal shards have equal files."""
    counts = {
        "count": samples,
        "successes": samples,
        "failed_to_download": 0,
        "failed_to_resize": 0,
        "status_dict": {"success": samples},
    }
    return (json.dumps(counts, indent=2) + "\n").encode()

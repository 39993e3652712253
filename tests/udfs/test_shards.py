"""Samples given -> the bytes of shards expected, read back by the libraries that people read them with."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from udfs.atomic_files import FileWriteError, write_file
from udfs.codec import encode_generated, sha256
from udfs.samples import KeptDigest, Names, SampleError, aspect_ratio, fields, texts
from udfs.shards import FILES, ShardWriter, paired, shard_of

NAMES = Names(
    tasks={"colors": ("Colors",), "colors_counting": ("Colors", "Counting")},
    categories={"snow": "Places: Snow"},
    styles={"flat": "Flat"},
    scores=("clip_scenes_similarity", "judge"),
)
FIFTEEN = [
    "id", "prompt", "enhanced_prompt", "length", "enhanced_length", "prompt_generator", "enhancer", "style",
    "prompt_category", "task", "image_aspect_ratio", "image_resolution", "image_generator",
    "image_generated_with_enhanced_prompt", "aesthetic_predictor_v_2_5_score",
]  # fmt: skip


def picture(seed: int, size: tuple[int, int] = (80, 48)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return encode_generated(Image.fromarray(pixels), 90)


def sample(key: str = "ab12", shard: int = 0, **changes: Any) -> tuple[dict[str, Any], bytes]:
    image = picture(int(hashlib.sha256(key.encode()).hexdigest()[:6], 16))
    row: dict[str, Any] = {
        "image_id": key, "kind": "generated", "subset": "synthetic_enhanced_prompt_random_resolution", "shard": shard,
        "caption": "two red circles in the snow, clean edges", "prompt": "two circles in the snow",
        "enhanced_prompt": "two red circles in the snow, clean edges", "variant": "enhanced",
        "task": "colors_counting", "category": "snow", "style": "flat", "width": 80, "height": 48,
        "sha256": sha256(image), "licence": "Apache-2.0", "model": "scenes@1", "writer": "grammar@1",
        "enhancer": "grammar@1", "captioner": None, "source": "grammar", "source_url": None, "author": None,
        "seed": 7, "aesthetic_predictor_v_2_5_score": None, "clip_scenes_similarity": 0.25, "judge": None,
        "image": None,
    }  # fmt: skip
    return row | changes, image


def photograph(key: str = "cd34", **changes: Any) -> tuple[dict[str, Any], bytes]:
    only = {
        "kind": "photograph", "subset": "curated", "caption": "a pagoda", "prompt": "a pagoda",
        "enhanced_prompt": "a red pagoda above a lake", "variant": None, "task": "none", "category": "none",
        "style": "none", "model": None, "writer": None, "enhancer": None, "captioner": "source_text@1",
        "source": "scikit-learn", "source_url": "page", "author": "somebody", "seed": None,
    }  # fmt: skip
    return sample(key, **(only | changes))


def write(folder: Path, *samples: tuple[dict[str, Any], bytes]) -> list[dict[str, Any]]:
    row = samples[0][0]
    return ShardWriter(str(folder), NAMES).write(row["subset"], row["shard"], samples)


def test_the_json_of_a_rendered_picture() -> None:
    row, _ = sample()
    record = fields(row, NAMES)
    assert [*record][:15] == FIFTEEN
    assert record == {
        "id": "ab12", "prompt": "two circles in the snow",
        "enhanced_prompt": "two red circles in the snow, clean edges",
        "length": 5, "enhanced_length": 8, "prompt_generator": "grammar@1", "enhancer": "grammar@1", "style": "Flat",
        "prompt_category": "Places: Snow", "task": ["Colors", "Counting"], "image_aspect_ratio": "5:3",
        "image_resolution": [80, 48], "image_generator": "scenes@1", "image_generated_with_enhanced_prompt": True,
        "aesthetic_predictor_v_2_5_score": None, "width": 80, "height": 48, "sha256": row["sha256"],
        "licence": "Apache-2.0", "seed": 7, "source": "grammar", "source_url": None, "author": None,
        "scores": {"clip_scenes_similarity": 0.25, "judge": None},
    }  # fmt: skip


def test_the_json_of_a_photograph_has_the_same_fields_and_no_labels() -> None:
    record, generated = fields(photograph()[0], NAMES), fields(sample()[0], NAMES)
    assert [*record] == [*generated]
    nulls = ("style", "prompt_category", "task", "image_aspect_ratio", "image_generator", "seed")
    assert [record[name] for name in nulls] == [None] * 6
    assert (record["prompt_generator"], record["author"], record["image_generated_with_enhanced_prompt"]) == (
        "source_text@1",
        "somebody",
        False,
    )


def test_an_original_prompts_picture_has_no_enhanced_text() -> None:
    record = fields(sample(variant="original", enhanced_prompt=None, enhancer=None)[0], NAMES)
    assert (record["enhanced_prompt"], record["enhanced_length"], record["enhancer"]) == (None, None, None)
    assert record["image_generated_with_enhanced_prompt"] is False


def test_a_label_without_a_name_is_null() -> None:
    record = fields(sample(task="none", category="none", style="none")[0], NAMES)
    assert (record["task"], record["prompt_category"], record["style"]) == (None, None, None)


@pytest.mark.parametrize(
    ("size", "ratio"), [((64, 64), "1:1"), ((80, 48), "5:3"), ((1440, 2560), "9:16"), ((7, 5), "7:5")]
)
def test_aspect_ratio(size: tuple[int, int], ratio: str) -> None:
    assert aspect_ratio(*size) == ratio


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"caption": ""}, "its caption is empty"),
        ({"caption": " \n"}, "its caption is empty"),
        ({"prompt": None}, "its prompt is empty"),
        ({"image_id": "a.b"}, "cannot be a key"),
        ({"width": 81}, "80x48 pixels, its row says 81x48"),
        ({"sha256": "0" * 64}, "is not the one that was scored"),
    ],
)
def test_a_defect_stops_the_shard_and_leaves_nothing(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SampleError, match=said):
        write(tmp_path, sample("aa00"), sample(**changes))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("mode", "format", "said"),
    [("CMYK", "JPEG", "4 components"), ("L", "JPEG", "1 components"), ("RGB", "PNG", "this is no JPEG")],
)
def test_what_is_no_rgb_jpeg_does_not_ship(tmp_path: Path, mode: str, format: str, said: str) -> None:
    buffer = io.BytesIO()
    Image.new(mode, (80, 48)).save(buffer, format)
    row, _ = sample(sha256=sha256(buffer.getvalue()))
    with pytest.raises(SampleError, match=said):
        write(tmp_path, (row, buffer.getvalue()))


def test_members_are_adjacent_and_hold_nothing_of_the_machine(tmp_path: Path) -> None:
    write(tmp_path, sample("aa"), sample("bb"))
    tar = tmp_path / "synthetic_enhanced_prompt_random_resolution" / "train-000000.tar"
    with tarfile.open(tar) as archive:
        members = archive.getmembers()
        assert [m.name for m in members] == ["aa.jpg", "aa.json", "aa.txt", "bb.jpg", "bb.json", "bb.txt"]
        assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o644)}
        text = archive.extractfile("aa.txt")
        assert text is not None
        assert text.read().decode() == sample("aa")[0]["caption"]
    assert tar.stat().st_size % tarfile.RECORDSIZE == 0
    assert subprocess.run(["tar", "-tf", tar], check=True, capture_output=True).stdout.count(b"\n") == 6


def test_files_beside_a_tar(tmp_path: Path) -> None:
    files = write(tmp_path, sample("aa"), sample("bb"))
    for file in files:
        data = (tmp_path / file["file"]).read_bytes()
        assert (file["bytes"], file["sha256"], file["samples"]) == (len(data), sha256(data), 2)
    index = pq.read_table(tmp_path / files[1]["file"]).to_pylist()
    assert [row["key"] for row in index] == ["aa", "bb"]
    assert index[0] | {"width": 80, "original_height": 48, "status": "success", "url": None, "judge": None} == index[0]
    stats = json.loads((tmp_path / files[2]["file"]).read_text())
    assert (stats["count"], stats["successes"], stats["status_dict"]) == (2, 2, {"success": 2})


def test_an_empty_shard_is_a_valid_tar(tmp_path: Path) -> None:
    ShardWriter(str(tmp_path), NAMES).write("curated", 0, [])
    with tarfile.open(tmp_path / "curated" / "train-000000.tar") as archive:
        assert archive.getmembers() == []


@given(st.permutations(range(6)), st.lists(st.integers(1, 5), min_size=1, max_size=4))
@settings(max_examples=15, deadline=None)
def test_the_cut_into_batches_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], cuts: list[int]
) -> None:
    """The rows come sorted by (subset, shard, image_id), a sample before or after its picture, in batches of any
    length."""
    rows: list[dict[str, Any]] = []
    for number in range(6):
        row, image = sample(f"k{number}", shard=number // 4)
        both = [
            row,
            {name: row.get(name) if name in ("subset", "shard", "image_id") else None for name in row}
            | {"image": image},
        ]
        rows += both if order[number] % 2 else both[::-1]
    schema = pa.RecordBatch.from_pylist(rows).schema
    batches: list[pa.RecordBatch] = []
    at = 0
    while at < len(rows):
        size = cuts[len(batches) % len(cuts)]
        batches.append(pa.RecordBatch.from_pylist(rows[at : at + size], schema=schema))
        at += size
    folder = tmp_path_factory.mktemp("release")
    files = [row for batch in ShardWriter(str(folder), NAMES)(batches) for row in batch.to_pylist()]
    assert pa.RecordBatch.from_pylist(files, schema=FILES).num_rows == 6
    assert [file["sha256"] for file in files] == in_one_go()


@functools.cache
def in_one_go() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        first = write(Path(folder), *(sample(f"k{n}") for n in range(4)))
        return [f["sha256"] for f in first + write(Path(folder), *(sample(f"k{n}", shard=1) for n in (4, 5)))]


@pytest.mark.parametrize("rows", ["no picture", "no sample", "twice"])
def test_a_key_has_one_sample_and_one_picture(rows: str) -> None:
    row, image = sample()
    stored = row | {"image": image}
    given = {"no picture": [row], "no sample": [stored], "twice": [row, row, stored]}[rows]
    with pytest.raises(SampleError, match="have this key; one of each is expected"):
        [*paired(iter(given))]


def test_the_digest_sees_every_text_and_the_order_of_no_partition() -> None:
    def digest(*rows: dict[str, Any]) -> str:
        frames = [pa.RecordBatch.from_pylist([row]) for row in rows]
        return next(KeptDigest(NAMES)(frames)).to_pylist()[0]["digest"]

    a, b = sample("a")[0], sample("b")[0]
    assert digest(a, b) == digest(a, b) != digest(a)
    for change in ({"caption": "other"}, {"judge": 0.5}, {"sha256": "1"}, {"subset": "curated"}, {"licence": "MIT"}):
        assert digest(a | change, b) != digest(a, b)
    with pytest.raises(SampleError, match="stands twice"):
        digest(a, a)


@given(st.text("0123456789abcdef", min_size=32, max_size=32), st.integers(1, 5000))
@settings(max_examples=50, deadline=None)
def test_a_key_keeps_its_shard(key: str, shards: int) -> None:
    assert 0 <= shard_of(key, shards) < shards
    assert shard_of(key, 1) == 0


def test_shards_fill_evenly() -> None:
    counts = np.bincount([shard_of(f"{n:032x}", 10) for n in range(10_000)], minlength=10)
    assert counts.min() > 900
    assert counts.max() < 1100


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    """A real refusal of the kernel's: a process that may not write more than 20 KB to a file."""
    script = f"""
import resource, signal, sys
sys.path.insert(0, {str(Path.cwd())!r})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from tests.udfs.test_shards import sample, write
from pathlib import Path
from udfs.atomic_files import FileWriteError
samples = [sample(f"k{{n}}") for n in range(9)]
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    write(Path({str(tmp_path)!r}), *samples)
except FileWriteError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert "train-000000.tar cannot be written: File too large. Free some space there" in said
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_file(tmp_path / "a", cast(bytes, "no bytes"))
    assert [*tmp_path.iterdir()] == []
    (tmp_path / "b").write_bytes(b"old")
    with pytest.raises(FileWriteError, match="cannot be written"):
        write_file(tmp_path / "b" / "c", b"new")
    assert (tmp_path / "b").read_bytes() == b"old"


def test_webdataset_reads_what_was_written(tmp_path: Path) -> None:
    import webdataset

    written = [sample(f"k{n}") for n in range(5)]
    [tar, _, _] = write(tmp_path, *written)
    read = [*webdataset.WebDataset(str(tmp_path / tar["file"]), shardshuffle=False, empty_check=False)]
    check(read, written, lambda s: s["jpg"], lambda s: json.loads(s["json"]), lambda s: s["txt"].decode())


def test_datasets_reads_what_was_written(tmp_path: Path) -> None:
    import datasets

    written = [sample(f"k{n}") for n in range(5)]
    [tar, _, _] = write(tmp_path, *written)
    read = [*datasets.load_dataset("webdataset", data_files=str(tmp_path / tar["file"]), split="train", streaming=True)]
    assert {item["jpg"].mode for item in read} == {"RGB"}
    assert [item["jpg"].size for item in read] == [(80, 48)] * 5
    check(read, written, None, lambda s: s["json"], lambda s: s["txt"])


def check(
    read: list[Any],
    written: list[tuple[dict[str, Any], bytes]],
    image_of: Callable[[Any], bytes] | None,
    json_of: Callable[[Any], Any],
    text_of: Callable[[Any], str],
) -> None:
    assert [item["__key__"] for item in read] == [row["image_id"] for row, _ in written]
    for item, (row, image) in zip(read, written, strict=True):
        assert text_of(item) == row["caption"] == texts(row, NAMES)[0].decode()
        assert json_of(item) == fields(row, NAMES)
        assert image_of is None or image_of(item) == image

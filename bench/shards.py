"""Shard writing against webdataset.ShardWriter: the same samples, one core each, both onto the same disk.

Ours checks every sample, hashes the tar, syncs it to the disk and writes the Parquet index and the counts beside it.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import webdataset

from bench.pairs import Pair, paired
from bench.pictures import jpegs
from udfs.codec import sha256
from udfs.samples import Names, fields
from udfs.shards import ShardWriter

SAMPLES = 4096
SIDE = 512  # pixels
A_SHARD = 1024
SCORES = ("blur", "noise", "clip_scenes_similarity", "judge")
NAMES = Names({"colors": ("Colors",)}, {"snow": "Snow"}, {"flat": "Flat design"}, SCORES)


def measure() -> Pair:
    samples = _samples()
    with tempfile.TemporaryDirectory() as folder:

        def ours() -> None:
            root = Path(folder) / "ours"
            shutil.rmtree(root, ignore_errors=True)
            writer = ShardWriter(str(root), NAMES)
            (root / "subset").mkdir(parents=True)
            for number, start in enumerate(range(0, SAMPLES, A_SHARD)):
                writer.write("subset", number, samples[start : start + A_SHARD])

        def theirs() -> None:
            root = Path(folder) / "theirs"
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
            with webdataset.ShardWriter(str(root / "train-%06d.tar"), maxcount=A_SHARD, verbose=0) as writer:
                for row, image in samples:
                    sample = {"jpg": image, "json": fields(row, NAMES), "txt": row["caption"]}
                    writer.write({"__key__": row["image_id"], **sample})

        return paired(ours, theirs)


def _samples() -> list[tuple[dict[str, Any], bytes]]:
    pictures = [(image, sha256(image)) for image in jpegs(256, SIDE)]
    made = []
    for number in range(SAMPLES):
        image, digest = pictures[number % len(pictures)]
        text = f"a red circle above {number} blue squares in front of a snowy mountain, flat design"
        row = {
            "image_id": f"{number:032x}",
            "kind": "generated",
            "variant": "enhanced",
            "subset": "subset",
            "caption": text,
            "prompt": text,
            "enhanced_prompt": text,
            "writer": "grammar@1",
            "enhancer": "grammar@1",
            "captioner": None,
            "task": "colors",
            "category": "snow",
            "style": "flat",
            "width": SIDE,
            "height": SIDE,
            "model": "generator@1",
            "aesthetic_predictor_v_2_5_score": None,
            "sha256": digest,
            "seed": number,
            "licence": "Apache-2.0",
            "source": None,
            "source_url": None,
            "author": None,
            **dict.fromkeys(SCORES, number / SAMPLES),
        }
        made.append((row, image))
    return made

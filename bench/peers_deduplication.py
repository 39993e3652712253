"""SemHash and datatrove's MinHash over the benchmark's prompts; runs in the environment that bench.deduplication makes.

Arguments: peer, folder, and for SemHash a threshold. In the folder lie prompts.json (texts) and vectors.npy; seconds and the pairs
(removed, kept), as numbers of prompts, go to <peer>.json.
"""

from __future__ import annotations

import json
import struct
import sys
import time
from pathlib import Path
from typing import Any

PROCESSES = 2
Pairs = list[tuple[int, int]]


def main() -> None:
    peer, folder = sys.argv[1], Path(sys.argv[2])
    texts: list[str] = json.loads((folder / "prompts.json").read_text())
    prepared = semhash(texts, folder, float(sys.argv[3])) if peer == "semhash" else minhash(texts, folder)
    started = time.perf_counter()
    pairs = prepared()
    spent = time.perf_counter() - started
    (folder / f"{peer}.json").write_text(json.dumps({"seconds": spent, "pairs": pairs}))


def semhash(texts: list[str], folder: Path, threshold: float) -> Any:
    """With the vectors that ours has, so that both see the same; its index and its own defaults otherwise."""
    import numpy as np
    from semhash import SemHash

    vectors = np.load(folder / "vectors.npy")
    first: dict[str, int] = {}
    for number, text in enumerate(texts):
        first.setdefault(text, number)

    def run() -> Pairs:
        found = SemHash.from_embeddings(vectors, texts, model=None).self_deduplicate(threshold=threshold)
        same = [(number, first[text]) for number, text in enumerate(texts) if first[text] != number]
        return same + [(first[each.record], first[each.duplicate_of]) for each in found.filtered if not each.exact]

    return run


def minhash(texts: list[str], folder: Path) -> Any:
    """datatrove's own four stages with its defaults, two tasks at a time; a cluster's first prompt stands for it."""
    from datatrove.data import Document
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline import dedup

    config = dedup.minhash.MinhashConfig()
    each = -(-len(texts) // PROCESSES)
    signatures, buckets, clusters = (str(folder / f"minhash_{name}") for name in ("signatures", "buckets", "clusters"))

    def documents(data: Any = None, rank: int = 0, world_size: int = 1) -> Any:
        for number in range(rank * each, min(len(texts), (rank + 1) * each)):
            yield Document(text=texts[number], id=str(number))

    def run() -> Pairs:
        steps = (
            ([documents, dedup.MinhashDedupSignature(signatures, config=config)], PROCESSES),
            ([dedup.MinhashDedupBuckets(signatures, buckets, config=config)], config.num_buckets),
            ([dedup.MinhashDedupCluster(buckets, clusters, config=config, save_cluster_id=True)], 1),
        )
        for pipeline, tasks in steps:
            LocalPipelineExecutor(pipeline=pipeline, tasks=tasks, workers=min(tasks, PROCESSES)).run()
        return _clusters(Path(clusters), each)

    return run


def _clusters(folder: Path, each: int) -> Pairs:
    members: dict[int, list[int]] = {}
    for file in sorted(folder.glob("*.clusters")):
        for document, cluster in struct.iter_unpack("<II", file.read_bytes()):
            members.setdefault(cluster, []).append(int(file.stem) * each + document)
    return [(number, min(found)) for found in members.values() for number in found if number != min(found)]


if __name__ == "__main__":
    main()

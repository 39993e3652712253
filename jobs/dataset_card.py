"""The dataset card of a release: README.md with the front matter that dataset hubs read, a pure function of the
manifest."""

from __future__ import annotations

from typing import Any

_FILES = (
    "`<key>.jpg` | the picture: JPEG, RGB, upright; the XMP of a rendered one says `trainedAlgorithmicMedia` (IPTC)",
    "`<key>.txt` | the caption to train with: the text that was rendered; a photograph's short caption",
    "`<key>.json` | `id`, `prompt`, `enhanced_prompt`, `length` and `enhanced_length` (words), `prompt_generator`,"
    " `enhancer`, `style`, `prompt_category`, `task`, `image_aspect_ratio`, `image_resolution`, `image_generator`,"
    " `image_generated_with_enhanced_prompt`, `aesthetic_predictor_v_2_5_score`; `width`, `height`, `sha256`,"
    " `licence`, `seed`, `source`, `source_url`, `author`, `scores`",
    "`train-NNNNNN.parquet` | one row a sample, img2dataset's columns first, with every score",
    "`train-NNNNNN_stats.json`, `sizes.json` | counts",
    "`manifest.json` | every file with its SHA-256, thresholds, funnel, models, licences, table versions",
)
_NULLS = """\
`enhanced_prompt` is null where the original prompt was rendered: it would describe what the picture does not hold.
`style`, `prompt_category`, `task` and `image_aspect_ratio` are null for photographs.
"""


def card(manifest: dict[str, Any]) -> str:
    """Markdown; the manifest's `files` are not looked at."""
    subsets = [f"{name} | {n['samples']:,} | {n['shards']:,}" for name, n in manifest["subsets"].items()]
    gates = [_gate(row) for row in manifest["policy"]["thresholds"]]
    judges = [f"judge | {row['judge']}" for row in manifest["policy"]["policies"]]
    parts = [
        _front_matter(manifest),
        f"# {manifest['release']}\n",
        f"{manifest['samples']:,} pictures with captions, chosen by the policy `{manifest['policy']['name']}`.\n",
        _table("subset | samples | shards", subsets),
        _reading(manifest),
        "## Files\n\n" + _table("file | what", [*_FILES]) + "\n" + _NULLS,
        "## How they were chosen\n\n" + _table("kind | gate | minimum | maximum | for | note", gates),
        _table("kind | step | rows in | fail | fail only here | rows out", [_step(row) for row in manifest["funnel"]]),
        "## Made by\n\n" + _table("role | model", [*_models(manifest["models"]), *judges]),
        "## Licences\n\n"
        + _table("licence | pictures", [f"{name} | {n:,}" for name, n in manifest["licences"].items()]),
        "A photograph's author and page are in its `.json` and in the Parquet index: name them with it.\n",
    ]
    return "\n".join(parts)


def _front_matter(manifest: dict[str, Any]) -> str:
    licences = [*manifest["licences"]]
    licence = licences[0].lower() if len(licences) == 1 else "other"
    lines = [
        "---",
        f"pretty_name: {manifest['release']}",
        f"license: {licence}",
        "task_categories:",
        "- text-to-image",
        "configs:",
    ]
    for subset in manifest["subsets"]:
        lines += [f"- config_name: {subset}", f"  data_files: {subset}/train-*.tar"]
    return "\n".join([*lines, "---", ""])


def _reading(manifest: dict[str, Any]) -> str:
    subset, about = max(manifest["subsets"].items(), key=lambda item: item[1]["samples"])
    shards = (
        f"{subset}/train-{{000000..{about['shards'] - 1:06d}}}.tar"
        if about["shards"] > 1
        else f"{subset}/train-000000.tar"
    )
    return f"""\
```python
import webdataset
samples = webdataset.WebDataset("{shards}", shardshuffle=False).decode("pil").to_tuple("jpg", "txt", "json")

import datasets
samples = datasets.load_dataset("webdataset", data_files="{subset}/train-*.tar", split="train", streaming=True)
```
"""


def _gate(row: dict[str, Any]) -> str:
    labels = "/".join(row[name] for name in ("task", "category", "style") if row[name]) or "all"
    ends = ("" if row[end] is None else f"{row[end]:g}" for end in ("minimum", "maximum"))
    return " | ".join([row["kind"], row["gate"], *ends, labels, row["note"] or ""])


def _step(row: dict[str, Any]) -> str:
    counts = (f"{row[name]:,}" for name in ("rows_in", "fail", "fail_only", "rows_out"))
    return " | ".join([row["kind"], row["gate"] or row["step"], *counts])


def _models(models: dict[str, Any]) -> list[str]:
    lines = [f"generator | {row['model']} ({row['licence']})" for row in models["generators"]]
    for role in ("writers", "enhancers", "captioners"):
        lines += [f"{role[:-1]} | {name}" for name in models[role]]
    return lines + [f"score {score} | {', '.join(names)}" for score, names in models["scorers"].items()]


def _table(head: str, rows: list[str]) -> str:
    rule = "|".join("---" for _ in head.split("|"))
    return "\n".join([f"| {head} |", f"|{rule}|", *(f"| {row} |" for row in rows), ""])

"""Named settings of a published recipe: what an entry's `preset` stands for. The entry's own keys go first, and rows record
the values, not the name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conf.loading import unknown

Presets = Mapping[str, Mapping[str, Any]]

# Fine-T2I (arXiv 2602.09439): how Llama-3.1-8B-Instruct was sampled when it wrote the prompts.
LANGUAGE_MODELS: Presets = {"fine_t2i": {"temperature": 1.4, "top_p": 0.8}}
# The same paper: the cosine of all-MiniLM-L6-v2 alone, of every two prompts. That is allowed for up to 200,000 of them; more
# are compared in the nearest of 128 cells.
DEDUPLICATION: Presets = {
    "fine_t2i": {"similarity": 0.8, "guard": False},
    "fine_t2i_every_pair": {"similarity": 0.8, "guard": False, "cells": 1},
}


def with_preset(entry: Any, presets: Presets) -> Any:
    """The entry as it was written, with what its preset says of the keys that it leaves out."""
    if not isinstance(entry, dict) or entry.get("preset") is None:
        return entry
    name = str(entry["preset"])
    if name not in presets:
        raise unknown("", "preset", name, list(presets), "Name one of these, or leave it out.")
    return {**presets[name], **entry}

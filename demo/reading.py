"""A start for the text encoder: before it sees a picture it learns to name a prompt's facts."""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextModel, PreTrainedTokenizerFast

from demo.prompts import Prompts
from demo.scenes import COLORS, PLACES, RELATIONS, STYLES
from demo.shapes import SHAPES
from demo.words import padded
from udfs.atoms import Atom
from udfs.grammar import subject_of

_BATCH = 128
_FACTS = (SHAPES, SHAPES, tuple(COLORS), tuple(COLORS), tuple(RELATIONS), ("1", "2", "3"), tuple(PLACES), STYLES)


def learn_to_read(text: CLIPTextModel, tokens: PreTrainedTokenizerFast, prompts: Prompts, seconds: float = 25) -> float:
    """Trains `text` in place for some CPU-seconds; the share of facts that it then names rightly on new prompts."""
    head = nn.Linear(text.config.hidden_size, sum(len(f) + 1 for f in _FACTS))
    optimizer = torch.optim.AdamW([*text.parameters(), *head.parameters()], 2e-3)
    start = time.process_time()
    while time.process_time() - start < seconds:
        ids, facts = _batch(tokens, prompts, _BATCH)
        told = enumerate(_told(text, head, ids))
        loss = torch.stack([F.cross_entropy(part, facts[:, i]) for i, part in told]).sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        ids, facts = _batch(tokens, prompts, 512)
        named = torch.stack([part.argmax(1) for part in _told(text, head, ids)], 1)
    return float((named == facts).float().mean())


def _told(text: CLIPTextModel, head: nn.Module, ids: Tensor) -> tuple[Tensor, ...]:
    logits: Tensor = head(text(ids).pooler_output)
    return logits.split([len(f) + 1 for f in _FACTS], 1)


def _batch(tokens: PreTrainedTokenizerFast, prompts: Prompts, n: int) -> tuple[Tensor, Tensor]:
    drawn = [prompts.draw() for _ in range(n)]
    return padded(tokens, [p.text for p in drawn]), torch.tensor([_facts(p.atoms) for p in drawn])


def _facts(atoms: list[Atom]) -> list[int]:
    """An index into each list of _FACTS; its length where the prompt does not say."""
    subject = subject_of(atoms)
    first, second = subject.first, subject.second
    place, style = (next(a["value"] for a in atoms if a["kind"] == kind) for kind in ("place", "style"))
    told = (first.object, second and second.object, first.color, second and second.color,
            subject.relation, str(first.count), place, style)  # fmt: skip
    return [known.index(value) if value is not None else len(known) for known, value in zip(_FACTS, told, strict=True)]

"""What the files of a sentence-transformers model say: where its encoder lies, how tokens are pooled, what comes after.

Lengths are made one in any case (cosines need it), so a Normalize module says nothing new.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from udfs.errors import ExplainedError

POOLINGS = (
    "cls",
    "max",
    "mean",
    "mean_sqrt_len_tokens",
    "weightedmean",
    "lasttoken",
)  # in the order of a concatenation
_OLD_POOLINGS = {"cls_token": "cls", "max_tokens": "max", "mean_tokens": "mean"}
_OLD_POOLINGS |= {name: name for name in ("mean_sqrt_len_tokens", "lasttoken")} | {
    "weightedmean_tokens": "weightedmean"
}


class LayoutError(ExplainedError):
    """A model has modules or settings that this loader does not know."""


@dataclass(frozen=True)
class Dense:
    """A linear layer after pooling, with the activation that the file names."""

    path: str
    inputs: int
    outputs: int
    bias: bool
    activation: str

    def load(self, folder: Path) -> Any:
        import torch
        from safetensors.torch import load_file

        layer = torch.nn.Linear(self.inputs, self.outputs, bias=self.bias)
        file = folder / self.path / "model.safetensors"
        weights = (
            load_file(file) if file.is_file() else torch.load(file.with_name("pytorch_model.bin"), weights_only=True)
        )
        layer.load_state_dict({name.removeprefix("linear."): value for name, value in weights.items()})
        return torch.nn.Sequential(layer, getattr(torch.nn, self.activation)()).eval()


@dataclass(frozen=True)
class Layout:
    """encoder: its folder inside the model's. max_tokens: None where the files name no limit. prompt: put before a text."""

    encoder: str
    poolings: tuple[str, ...]
    dense: tuple[Dense, ...]
    max_tokens: int | None
    lower_case: bool
    prompt: str

    def pooled(self, states: Any) -> Any:
        """(n, tokens, d) hidden states of texts without padding -> (n, d times the number of poolings)."""
        import torch

        return torch.cat([_pooled(states, kind) for kind in self.poolings], dim=1)


def read_layout(folder: Path) -> Layout:
    """The layout of the model in `folder`; one without modules.json is a plain encoder, whose tokens' mean counts.

    LayoutError names a module, pooling or setting that is not known here.
    """
    modules = _json(folder / "modules.json") or [{"path": "", "type": "Transformer"}]
    kinds = [module["type"].rsplit(".", 1)[-1] for module in modules]
    for kind in kinds:
        if kind not in ("Transformer", "Pooling", "Dense", "Normalize"):
            raise LayoutError(
                f"{folder}: modules.json names a module {kind}; Transformer, Pooling, Dense and Normalize are known."
                " Take another sentence model."
            )
    paths = [module["path"] for module in modules]
    encoder = paths[kinds.index("Transformer")]
    limits = _json(folder / encoder / "sentence_bert_config.json") or {}
    pooling = _json(folder / paths[kinds.index("Pooling")] / "config.json") if "Pooling" in kinds else {}
    return Layout(
        encoder=encoder,
        poolings=_poolings(folder, pooling or {}),
        dense=tuple(_dense(folder, path) for path, kind in zip(paths, kinds, strict=True) if kind == "Dense"),
        max_tokens=limits.get("max_seq_length"),
        lower_case=bool(limits.get("do_lower_case")),
        prompt=_prompt(folder, pooling or {}),
    )


def _poolings(folder: Path, config: dict[str, Any]) -> tuple[str, ...]:
    named = config.get("pooling_mode")
    if named is None:
        old = {new for name, new in _OLD_POOLINGS.items() if config.get(f"pooling_mode_{name}")}
        named = [kind for kind in POOLINGS if kind in old] or ["mean"]
    found = (named,) if isinstance(named, str) else tuple(named)
    for kind in found:
        if kind not in POOLINGS:
            raise LayoutError(f"{folder}: its pooling {kind!r} is not known; allowed: {', '.join(POOLINGS)}.")
    return found


def _prompt(folder: Path, pooling: dict[str, Any]) -> str:
    """The prompt that the model puts before every text, if it names a default one."""
    config = _json(folder / "config_sentence_transformers.json") or {}
    prompt = str((config.get("prompts") or {}).get(config.get("default_prompt_name"), ""))
    if prompt and not pooling.get("include_prompt", True):
        raise LayoutError(
            f"{folder}: its pooling leaves the prompt out, which is not known here. Take another sentence model."
        )
    return prompt


def _dense(folder: Path, path: str) -> Dense:
    config = _json(folder / path / "config.json") or {}
    if config.get("use_residual"):
        raise LayoutError(
            f"{folder}: {path} has a residual layer, which is not known here. Take another sentence model."
        )
    activation = str(config.get("activation_function", "Tanh")).rsplit(".", 1)[-1]
    return Dense(path, config["in_features"], config["out_features"], config.get("bias", True), activation)


def _pooled(states: Any, kind: str) -> Any:
    match kind:
        case "cls":
            return states[:, 0]
        case "max":
            return states.max(dim=1).values
        case "mean":
            return states.mean(dim=1)
        case "mean_sqrt_len_tokens":
            return states.sum(dim=1) / states.shape[1] ** 0.5
        case "weightedmean":
            weights = states.new_tensor(range(1, states.shape[1] + 1))
            return (states * weights[None, :, None]).sum(dim=1) / weights.sum()
    return states[:, -1]


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

"""Aesthetic predictors: small heads on a frozen image encoder's unit vector. Nominally 1-10."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from udfs.scorers.clip import PRECISIONS, LoadedClip, clip_model
from udfs.scorers.picture import DRAFT_SIDE, Picture
from udfs.scorers.spec import Answers, Parts, ScorerSpec, state_of, weights_file

if TYPE_CHECKING:
    from torch import nn

_LAION_DROPOUT = (
    0.2,
    0.2,
    0.1,
    None,
    None,
)  # after each linear layer; only their places count: they number the weights
_V2_5_DROPOUT = (0.5, 0.5, 0.5, 0.2, None)


@dataclass(frozen=True)
class AestheticLaionV2(ScorerSpec):
    """LAION's improved aesthetic predictor: width-1024-128-64-16-1 without activations on CLIP ViT-L/14.

    model: the head (its weights `file`); encoder: the CLIP, whose pass is shared with a clip scorer of the same
    model and precision.
    """

    takes_model = True
    default_encoder = ("ViT-L-14-quickgelu", "openai")
    defaults: ClassVar = {"precision": "fp32", "file": "model.safetensors"}
    allowed: ClassVar = {"precision": PRECISIONS}
    licence = "Apache-2.0"

    @property
    def revision(self) -> str:
        head, encoder = self.must(self.source), self.must(self.encoder)
        return f"{head.revision}-{encoder.name}-{encoder.revision}-draft{DRAFT_SIDE}-{self.settings['precision']}"

    def load(self, device: str, parts: Parts) -> LoadedAesthetic:
        encoder = clip_model(self.must(self.encoder), self.settings["precision"]).load(device, parts)
        path = weights_file(self.must(self.source), self.settings["file"])
        return LoadedAesthetic(self.name, encoder, head(state_of(path), _LAION_DROPOUT, "layers.").to(device))


@dataclass
class LoadedAesthetic:
    name: str
    encoder: LoadedClip
    head: nn.Module

    def prepare(self, picture: Picture) -> None:
        self.encoder.prepare(picture)

    def score(self, pictures: list[Picture]) -> list[Answers]:
        import torch

        vectors = torch.from_numpy(self.encoder.image_vectors(pictures)).to(next(self.head.parameters()).device)
        with torch.inference_mode():
            return [{self.name: float(value)} for value in self.head(vectors).squeeze(1).cpu()]


@dataclass(frozen=True)
class AestheticV25(ScorerSpec):
    """Aesthetic Predictor V2.5: width-1024-128-64-16-1 on the pooled, normalised output of SigLIP so400m-384.

    The head's weights are AGPL-3.0: off by default, the job warns. model: the head (its weights `file`); encoder:
    SigLIP. It looks at 384 px, more than the draft decode holds, so at the full decode.
    """

    takes_model = True
    default_encoder = ("google/siglip-so400m-patch14-384", None)
    defaults: ClassVar = {"dtype": "float32", "file": "aesthetic_predictor_v2_5.pth"}
    allowed: ClassVar = {"dtype": ("float32", "float16", "bfloat16")}
    licence = "AGPL-3.0"

    @property
    def scores(self) -> tuple[str, ...]:
        return ("aesthetic_predictor_v_2_5_score",)

    @property
    def revision(self) -> str:
        head, encoder = self.must(self.source), self.must(self.encoder)
        return f"{head.revision}-{encoder.name}-{encoder.revision}-full-{self.settings['dtype']}"

    def load(self, device: str, parts: Parts) -> LoadedAestheticV25:
        import torch
        from transformers import SiglipImageProcessorPil, SiglipVisionModel
        from transformers.utils import logging

        logging.disable_progress_bar()
        source = self.must(self.encoder)
        pin: dict[str, Any] = (
            {"local_files_only": True} if Path(source.location).is_dir() else {"revision": source.revision}
        )
        dtype = getattr(torch, self.settings["dtype"])
        processor = SiglipImageProcessorPil.from_pretrained(source.location, **pin)
        encoder: Any = SiglipVisionModel.from_pretrained(source.location, dtype=dtype, **pin)
        state = state_of(weights_file(self.must(self.source), self.settings["file"]))
        return LoadedAestheticV25(
            self.scores[0], processor, encoder.to(device).eval(), head(state, _V2_5_DROPOUT, "scoring_head.").to(device)
        )


@dataclass
class LoadedAestheticV25:
    score_name: str
    processor: Any
    encoder: Any
    head: nn.Module

    def prepare(self, picture: Picture) -> None:
        picture.memo[self.score_name] = self.processor(images=picture.full, return_tensors="pt").pixel_values[0]

    def score(self, pictures: list[Picture]) -> list[Answers]:
        import torch

        batch = torch.stack([picture.memo[self.score_name] for picture in pictures]).to(
            self.encoder.device, self.encoder.dtype
        )
        with torch.inference_mode():
            pooled = self.encoder(pixel_values=batch).pooler_output.float()
            values = self.head(pooled / pooled.norm(dim=-1, keepdim=True)).squeeze(1)
        return [{self.score_name: float(value)} for value in values.cpu()]


def head(state: dict[str, Any], dropout: tuple[float | None, ...], prefix: str) -> nn.Module:
    """Linear layers 1024-128-64-16-1 with dropouts between them, float32, filled from the published state.

    ValueError where the file holds other layers.
    """
    from torch import nn

    weights = {name.removeprefix(prefix): tensor.float() for name, tensor in state.items()}
    if "0.weight" not in weights:
        raise ValueError(
            f"this is no head of that predictor: {prefix}0.weight is missing,"
            f" the file holds {', '.join(sorted(state)[:8])}"
        )
    layers: list[nn.Module] = []
    inside = weights["0.weight"].shape[1]
    for outside, share in zip((1024, 128, 64, 16, 1), dropout, strict=True):
        layers.append(nn.Linear(inside, outside))
        if share is not None:
            layers.append(nn.Dropout(share))
        inside = outside
    module = nn.Sequential(*layers)
    module.load_state_dict(weights)
    return module.eval()

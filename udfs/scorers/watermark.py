"""LAION-5B's watermark detector: timm EfficientNet-B3 with a head of its own, 256 px; softmax over (watermark,
clear)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from udfs.scorers.picture import DRAFT_SIDE, Picture
from udfs.scorers.spec import Answers, Parts, ScorerSpec, state_of, weights_file

_SIDE = 256


@dataclass(frozen=True)
class WatermarkLaion(ScorerSpec):
    """Probability of a watermark, 0-1. model: the weights' `file` (tensors only: save the published checkpoint's
    state as safetensors)."""

    takes_model = True
    defaults: ClassVar = {"file": "watermark_model_v1.safetensors"}
    licence = "MIT"

    @property
    def revision(self) -> str:
        return f"{self.must(self.source).revision}-draft{DRAFT_SIDE}"

    def load(self, device: str, parts: Parts) -> LoadedWatermark:
        from torchvision import transforms

        net = build()
        net.load_state_dict(state_of(weights_file(self.must(self.source), self.settings["file"])))
        statistics = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}  # ImageNet's
        steps = [transforms.Resize((_SIDE, _SIDE)), transforms.ToTensor(), transforms.Normalize(**statistics)]
        return LoadedWatermark(self.name, net.to(device).eval(), transforms.Compose(steps), device)


def build() -> Any:
    """The network without its weights."""
    import timm
    from torch import nn

    net: Any = timm.create_model("efficientnet_b3", num_classes=2)
    width = net.classifier.in_features
    net.classifier = nn.Sequential(
        nn.Linear(width, 625), nn.ReLU(), nn.Dropout(0.3), nn.Linear(625, 256), nn.ReLU(), nn.Linear(256, 2)
    )
    return net


@dataclass
class LoadedWatermark:
    name: str
    net: Any
    transform: Any
    device: str

    def prepare(self, picture: Picture) -> None:
        picture.memo[self.name] = self.transform(picture.small)

    def score(self, pictures: list[Picture]) -> list[Answers]:
        import torch

        with torch.inference_mode():
            logits = self.net(torch.stack([picture.memo[self.name] for picture in pictures]).to(self.device))
        return [{self.name: float(value)} for value in logits.softmax(1)[:, 0].cpu()]

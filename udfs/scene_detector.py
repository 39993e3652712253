"""The demo's detector: finds the drawn shapes of a scene (fully convolutional) and says how probable each atom is.

Knows the atoms object, count, color, relation, place, style of the words in its config.json; any other answers None.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from udfs.atoms import Atom

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor, nn

STRIDE = 8  # pixels a cell of the grid
_LEAST_PEAK = 0.05  # a cell whose shape is less probable than this holds nothing
_DIRECTIONS = {"left of": (1, 0), "right of": (-1, 0), "above": (0, 1), "below": (0, -1)}


@dataclass(frozen=True)
class Words:
    """What the detector can name, in the order of its outputs; sizes: the (width, height) that it was trained on."""

    shapes: tuple[str, ...]
    colors: tuple[str, ...]
    styles: tuple[str, ...]
    places: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    width: int = 96


@dataclass(frozen=True)
class Peak:
    """One thing found: the probabilities that it has each known shape, color, style; x, y: its center in pixels."""

    shapes: np.ndarray
    colors: np.ndarray
    styles: np.ndarray
    x: float
    y: float


@dataclass(frozen=True)
class Reading:
    peaks: tuple[Peak, ...]
    places: np.ndarray  # the known places; the rest to 1 is 'not of this world'


class SceneDetector:
    """The loaded detector."""

    def __init__(self, words: Words, net: nn.Module, device: str) -> None:
        self.words, self._net, self._device = words, net, device

    def atom_probabilities(self, images: list[Image.Image], atoms: list[list[Atom]]) -> list[list[float | None]]:
        """For each picture and atom of its prompt the probability, 0..1; None for an unknown kind or word."""
        readings = self.read(images)
        return [[probability(self.words, r, a) for a in facts] for r, facts in zip(readings, atoms, strict=True)]

    def in_world(self, images: list[Image.Image]) -> list[float]:
        """For each picture the probability, 0..1, that it shows a place of the scenes' world at all."""
        return [float(reading.places.sum()) for reading in self.read(images)]

    def read(self, images: list[Image.Image]) -> list[Reading]:
        """What each picture shows, in their order; pictures of one size go through the net together."""
        fitted = [fit(image, self.words.sizes) for image in images]
        readings: list[Reading | None] = [None] * len(images)
        for size in {image.size for image in fitted}:
            rows = [i for i, image in enumerate(fitted) if image.size == size]
            for i, reading in zip(rows, self._forward([fitted[i] for i in rows]), strict=True):
                readings[i] = reading
        return [reading for reading in readings if reading is not None]

    def _forward(self, images: list[Image.Image]) -> list[Reading]:
        import torch

        pixels = np.stack([np.asarray(image) for image in images])
        batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(self._device).float() / 127.5 - 1
        with torch.inference_mode():
            cells, places = self._net(batch)
        parts = [part.softmax(1).permute(0, 2, 3, 1).cpu().numpy() for part in split(cells, self.words)]
        seen = places.softmax(1).cpu().numpy()
        return [Reading(peaks(self.words, *(p[i] for p in parts)), seen[i, :-1]) for i in range(len(images))]


def load_scene_detector(folder: str | Path, device: str = "cpu") -> SceneDetector:
    """The detector of a folder with config.json and model.safetensors. FileNotFoundError if one is not there."""
    from safetensors.torch import load_file

    config = json.loads((Path(folder) / "config.json").read_text())
    words = words_of(config)
    net = build(words)
    net.load_state_dict({k: v.float() for k, v in load_file(Path(folder) / "model.safetensors").items()})
    return SceneDetector(words, net.to(device).eval(), device)


def words_of(config: dict[str, Any]) -> Words:
    lists = {name: tuple(config[name]) for name in ("shapes", "colors", "styles", "places")}
    return Words(**lists, sizes=tuple((w, h) for w, h in config["sizes"]), width=config["width"])


def build(words: Words) -> nn.Module:
    """(n, 3, height, width) in -1..1 -> logits: cells (n, channels, height / 8, width / 8), places (n, places + 1)."""
    from torch import nn

    w = words.width

    def step(inside: int, outside: int, stride: int = 1, dilation: int = 1) -> nn.Module:
        conv = nn.Conv2d(inside, outside, 3, stride, dilation, dilation, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(outside), nn.ReLU(inplace=True))

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            steps = step(3, w // 4, 2), step(w // 4, w // 2, 2), step(w // 2, w // 2), step(w // 2, w, 2)
            self.stem = nn.Sequential(*steps)
            self.body = nn.ModuleList([step(w, w), step(w, w, dilation=2), step(w, w)])
            self.cells = nn.Conv2d(w, sum(_channels(words)), 1)
            self.place = nn.Sequential(nn.Linear(2 * w, w), nn.ReLU(inplace=True), nn.Linear(w, len(words.places) + 1))

        def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
            import torch

            x = self.stem(pixels)
            for layer in self.body:
                x = x + layer(x)
            pooled = torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)
            return self.cells(x), self.place(pooled)

    return Net()


def _channels(words: Words) -> tuple[int, int, int]:
    """Outputs a cell: nothing, each shape, a broken shape; each color, another color; each style."""
    return len(words.shapes) + 2, len(words.colors) + 1, len(words.styles)


def split(cells: Tensor, words: Words) -> tuple[Tensor, ...]:
    """The cells' logits for shape, color and style."""
    return cells.split(_channels(words), dim=1)


def fit(image: Image.Image, sizes: tuple[tuple[int, int], ...]) -> Image.Image:
    """RGB at the size of the world whose aspect is nearest; unchanged if it has one of them already."""
    rgb = image.convert("RGB")
    if rgb.size in sizes:
        return rgb
    aspect = math.log(rgb.width / rgb.height)
    return rgb.resize(min(sizes, key=lambda size: abs(math.log(size[0] / size[1]) - aspect)))


def peaks(words: Words, shapes: np.ndarray, colors: np.ndarray, styles: np.ndarray) -> tuple[Peak, ...]:
    """Cells (rows, columns, classes) -> the things found: each takes in the 3 x 3 cells around its strongest one."""
    left = shapes[:, :, 1:].sum(2)  # anything at all, a broken shape too
    found = []
    while left.max() > _LEAST_PEAK:
        row, column = np.unravel_index(int(left.argmax()), left.shape)
        near = tuple(slice(max(0, at - 1), min(end, at + 2)) for at, end in zip((row, column), left.shape, strict=True))
        mass = left[near]
        kinds = (shapes[near][:, :, 1:-1] * (mass > 0)[:, :, None]).sum((0, 1))
        kinds = kinds / max(1.0, float(mass.sum()))
        weight = mass / mass.sum()
        rows, columns = np.mgrid[near]
        found.append(
            Peak(
                kinds,
                (colors[near] * weight[:, :, None]).sum((0, 1)),
                (styles[near] * weight[:, :, None]).sum((0, 1)),
                float((columns * weight).sum() + 0.5) * STRIDE,
                float((rows * weight).sum() + 0.5) * STRIDE,
            )
        )
        left[near] = 0
    return tuple(found)


def probability(words: Words, reading: Reading, fact: Atom) -> float | None:
    """The probability of one atom, the things found taken as independent."""
    kind, subject, value = fact["kind"], fact["subject"], str(fact["value"])
    if kind == "place":
        return float(reading.places[words.places.index(value)]) if value in words.places else None
    if kind == "style":
        return _all_are(reading, None, words.styles.index(value), "styles") if value in words.styles else None
    if subject not in words.shapes:
        return None
    shape = words.shapes.index(str(subject))
    match kind:
        case "object":
            return _some(reading, shape)
        case "count":
            return _exactly(reading, shape, int(value)) if value.isdigit() else None
        case "color":
            return _all_are(reading, shape, words.colors.index(value), "colors") if value in words.colors else None
        case "relation":
            if fact["other"] not in words.shapes or value not in _DIRECTIONS:
                return None
            return _related(reading, shape, value, words.shapes.index(str(fact["other"])))
    return None


def _some(reading: Reading, shape: int | None) -> float:
    return 1 - math.prod(1 - _is(peak, shape) for peak in reading.peaks)


def _is(peak: Peak, shape: int | None) -> float:
    return min(1.0, float(peak.shapes.sum() if shape is None else peak.shapes[shape]))


def _exactly(reading: Reading, shape: int, count: int) -> float:
    """Poisson-binomial: the probability that exactly `count` of the things are the shape."""
    chances = np.zeros(max(count, len(reading.peaks)) + 1)
    chances[0] = 1
    for peak in reading.peaks:
        p = _is(peak, shape)
        chances[1:] = chances[1:] * (1 - p) + chances[:-1] * p
        chances[0] *= 1 - p
    return float(chances[count])


def _all_are(reading: Reading, shape: int | None, index: int, what: str) -> float:
    """There is one, and every one has the color or style."""
    every = math.prod(1 - _is(p, shape) * (1 - float(getattr(p, what)[index])) for p in reading.peaks)
    return min(1.0, _some(reading, shape) * every)


def _related(reading: Reading, subject: int, relation: str, other: int) -> float:
    """The most probable pair of one such shape each, times how clearly the one lies in that direction of the other."""
    dx, dy = _DIRECTIONS[relation]
    best = 0.0
    for a in reading.peaks:
        for b in reading.peaks:
            if a is not b:
                along = dx * (b.x - a.x) + dy * (b.y - a.y)
                across = abs(dy * (b.x - a.x)) + abs(dx * (b.y - a.y))
                clear = 1 / (1 + math.exp(-(along - across) / 2))
                best = max(best, _is(a, subject) * _is(b, other) * clear)
    return best

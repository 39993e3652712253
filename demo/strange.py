"""Pictures that are not of the scenes' world, for the detector to refuse: dead leaves, 1/f noise, gradients, frames."""

from __future__ import annotations

import random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def strange(width: int, height: int, rng: random.Random) -> Image.Image:
    """One RGB picture of width x height; dead leaves and 1/f noise share their statistics with photographs."""
    kind = rng.choice(("leaves", "leaves", "cloud", "cloud", "both", "both", "gradient", "noise", "plain", "framed"))
    if kind == "leaves":
        return _leaves(width, height, rng)
    if kind == "cloud":
        return _cloud(width, height, rng)
    if kind == "both":
        return Image.blend(_leaves(width, height, rng), _cloud(width, height, rng), rng.uniform(0.2, 0.7))
    if kind == "gradient":
        return _gradient(width, height, rng)
    if kind == "noise":
        noise = _numbers(rng).integers(0, 256, (height, width, 3), dtype=np.uint8)
        return Image.fromarray(noise).filter(ImageFilter.GaussianBlur(rng.uniform(0, 2)))
    if kind == "plain":
        color = rng.choice((_any_color(rng), _any_color(rng), (0, 0, 0), (255, 255, 255)))
        return Image.new("RGB", (width, height), color)
    inner = _leaves(width, height, rng)
    edge = rng.randrange(4, 14)
    framed = Image.new("RGB", (width, height), rng.choice(((0, 0, 0), (255, 255, 255), _any_color(rng))))
    framed.paste(inner.crop((edge, edge, width - edge, height - edge)), (edge, edge))
    return framed


def _numbers(rng: random.Random) -> np.random.Generator:
    return np.random.default_rng(rng.getrandbits(32))


def _any_color(rng: random.Random) -> tuple[int, int, int]:
    return rng.randrange(256), rng.randrange(256), rng.randrange(256)


def _leaves(width: int, height: int, rng: random.Random) -> Image.Image:
    """Discs and boxes over one another, sizes by a power law, colors around one palette."""
    image = Image.new("RGB", (width * 2, height * 2), _any_color(rng))
    pen = ImageDraw.Draw(image)
    palette = [_any_color(rng) for _ in range(rng.randrange(2, 7))]
    for _ in range(rng.randrange(30, 160)):
        r = 3 / max(0.04, rng.random()) ** rng.uniform(0.6, 1.0)
        x, y = rng.uniform(0, width * 2), rng.uniform(0, height * 2)
        color = tuple(int(min(255, max(0, c + rng.gauss(0, 25)))) for c in rng.choice(palette))
        box = (x - r, y - r * rng.uniform(0.3, 1), x + r, y + r)
        (pen.ellipse if rng.random() < 0.6 else pen.rectangle)(box, fill=color)
    return image.reduce(2).filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.5)))


def _cloud(width: int, height: int, rng: random.Random) -> Image.Image:
    """Noise with amplitude 1 / frequency^a in correlated channels."""
    numbers = _numbers(rng)
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None]
    filt = 1 / np.maximum(np.hypot(fx, fy), 1 / max(width, height)) ** rng.uniform(0.8, 2.0)
    planes = [np.fft.ifft2(np.fft.fft2(numbers.normal(size=(height, width))) * filt).real for _ in range(3)]
    mix = numbers.normal(size=(3, 3)) * 0.5 + 1
    array = np.tensordot(np.stack([p / (p.std() + 1e-9) for p in planes], -1), mix, axes=1)
    array = array * rng.uniform(15, 50) + numbers.uniform(40, 215, 3)
    return Image.fromarray(np.clip(array, 0, 255).astype(np.uint8))


def _gradient(width: int, height: int, rng: random.Random) -> Image.Image:
    a, b = np.array(_any_color(rng), dtype=float), np.array(_any_color(rng), dtype=float)
    ramp = np.linspace(0, 1, width)[None, :, None] if rng.random() < 0.5 else np.linspace(0, 1, height)[:, None, None]
    array = np.broadcast_to(a + (b - a) * ramp, (height, width, 3))
    return Image.fromarray(array.astype(np.uint8))

"""Pictures with one known fault -> the measure that sees it, and formulas against values worked out by hand."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from udfs.scorers.technical import measures


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    from sklearn.datasets import load_sample_image

    return Image.fromarray(load_sample_image("china.jpg"))


def grey(values: np.ndarray) -> Image.Image:
    return Image.fromarray(values.clip(0, 255).astype(np.uint8)).convert("RGB")


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def value(image: Image.Image, name: str) -> float:
    answer = measures(image)[name]
    assert isinstance(answer, float)
    return answer


def test_blur_grows_with_the_radius(photo: Image.Image) -> None:
    values = [value(photo.filter(ImageFilter.GaussianBlur(radius)), "blur") for radius in (0, 1, 2, 4)]
    assert values == sorted(values)
    assert values[0] < 0.25 < 0.7 < values[-1] <= 1


def test_blur_is_the_larger_of_both_directions(photo: Image.Image) -> None:
    smeared = photo.resize((photo.width // 8, photo.height), Image.Resampling.BOX).resize(
        photo.size, Image.Resampling.BICUBIC
    )
    assert value(smeared, "blur") == pytest.approx(value(smeared.transpose(Image.Transpose.ROTATE_90), "blur"))
    assert value(smeared, "blur") > 2 * value(photo, "blur")


def test_blur_of_an_edge_is_what_the_formula_says() -> None:
    # a step of 255 levels keeps 255/9 after the window of 9 pixels: 1/9 of it was there already
    step = np.zeros((32, 32))
    step[16:] = 255
    assert value(grey(step), "blur") == 1.0, "the other direction has no edge at all"
    step[:, :16] = 255 - step[:, :16]
    assert value(grey(step), "blur") == pytest.approx(1 / 9)


@pytest.mark.parametrize("sigma", [2, 8, 20])
def test_noise_is_the_standard_deviation_that_was_added(sigma: float) -> None:
    levels = 128 + np.random.default_rng(0).normal(0, sigma, (256, 256))
    assert value(grey(levels), "noise") == pytest.approx(sigma, rel=0.05)


def test_noise_ignores_a_slope() -> None:
    assert value(grey(np.tile(np.arange(0, 256, 2), (64, 1))), "noise") == 0


def test_blockiness_sees_jpeg_blocks_and_only_those(photo: Image.Image) -> None:
    assert value(photo, "blockiness") == pytest.approx(1, abs=0.1)
    coarse = jpeg(photo, 10)
    assert value(coarse, "blockiness") > 1.5
    assert value(coarse.crop((3, 3, 603, 403)), "blockiness") < value(coarse, "blockiness") - 0.3
    assert value(Image.new("RGB", (64, 64), "tan"), "blockiness") == 1


def test_clipping_counts_black_and_white_but_no_pure_color() -> None:
    image = Image.new("RGB", (100, 100), (128, 128, 128))
    image.paste((0, 0, 0), (0, 0, 100, 10))
    image.paste((255, 255, 255), (0, 10, 100, 30))
    image.paste((255, 0, 0), (0, 30, 100, 60))
    assert value(image, "clipping") == pytest.approx(0.3)


def test_border_is_the_share_of_the_bars(photo: Image.Image) -> None:
    assert value(photo, "border") == 0
    boxed = Image.new("RGB", (photo.width, photo.height + 100), "purple")
    boxed.paste(photo, (0, 40))
    assert value(boxed, "border") == pytest.approx(100 / boxed.height)
    framed = Image.new("RGB", (photo.width + 40, photo.height + 40), "purple")
    framed.paste(photo, (20, 20))
    assert value(framed, "border") == pytest.approx(1 - photo.width * photo.height / (framed.width * framed.height))
    assert value(jpeg(framed, 80), "border") == pytest.approx(value(framed, "border"), abs=0.03)


def test_a_border_of_a_twentieth_is_exactly_that() -> None:
    """A limit of 0.05 lets it pass."""
    noisy = np.random.default_rng(2).integers(0, 256, (80, 40, 3), dtype=np.uint8)
    noisy[:4] = 0
    assert value(Image.fromarray(noisy), "border") == 0.05


def test_a_plain_background_around_an_object_is_no_border() -> None:
    image = Image.new("RGB", (64, 64), (240, 240, 245))
    ImageDraw.Draw(image).rectangle((23, 24, 41, 48), fill="red")
    assert value(image, "border") == 0
    ImageDraw.Draw(image).rectangle((2, 24, 20, 48), fill="red")
    ImageDraw.Draw(image).rectangle((44, 24, 62, 48), fill="red")
    assert value(image.transpose(Image.Transpose.ROTATE_90), "border") == 0
    assert value(image, "border") == 0, "three objects in a row are none either"
    assert value(Image.new("RGB", (64, 64), "navy"), "border") == 1


def test_entropy_in_bits() -> None:
    assert value(Image.new("RGB", (64, 64), "gray"), "entropy") == 0
    assert value(grey(np.repeat([[0, 255]], 64, axis=0).repeat(32, axis=1)), "entropy") == 1
    assert value(grey(np.tile(np.arange(256), (16, 1))), "entropy") == 8


@pytest.mark.parametrize("size", [(16, 16), (17, 300), (300, 17), (80, 48)])
def test_every_measure_is_finite_at_any_size_and_for_a_flat_picture(size: tuple[int, int]) -> None:
    noisy = Image.fromarray(np.random.default_rng(1).integers(0, 256, (*size[::-1], 3), dtype=np.uint8))
    for image in (noisy, Image.new("RGB", size), Image.new("RGB", size, "white")):
        assert all(isinstance(v, float) and math.isfinite(v) for v in measures(image).values())


def test_a_picture_under_16_px_has_a_reason_instead() -> None:
    assert set(measures(Image.new("RGB", (15, 64))).values()) == {"smaller than 16 px"}

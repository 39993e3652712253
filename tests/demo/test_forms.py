"""The measure of a shape: each shape is its own nearest, at any size and with a slip of the pen; halves are none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from demo.forms import FARTHEST, deviations, filled, is_hollow, shape_of
from demo.shapes import SHAPES, outline

Box = tuple[float, float, float, float]


def drawn(shape: str, box: Box, width: int = 0) -> np.ndarray:
    """A mask of 80 x 80; width 0 is filled."""
    x0, y0, x1, y1 = (4 * v for v in box)
    points = [(x0 + u * (x1 - x0), y0 + v * (y1 - y0)) for u, v in outline(shape, 64)]
    image = Image.new("L", (320, 320))
    pen = ImageDraw.Draw(image)
    if width:
        pen.polygon(points, outline=255, width=4 * width)
    else:
        pen.polygon(points, fill=255)
    return np.asarray(image.reduce(4)) > 127


@given(shape=st.sampled_from(SHAPES), size=st.floats(18, 60), left=st.floats(2, 18), top=st.floats(2, 18))
@settings(max_examples=100, deadline=None)
def test_a_shape_is_itself_at_any_size_and_place(shape: str, size: float, left: float, top: float) -> None:
    mask = drawn(shape, (left, top, left + size, top + size))
    assert shape_of(mask) == shape
    assert deviations(mask)[shape] < FARTHEST


@pytest.mark.parametrize("shape", SHAPES)
def test_an_outline_is_hollow_and_the_same_shape(shape: str) -> None:
    mask = drawn(shape, (10, 10, 50, 50), width=4)
    assert is_hollow(mask)
    assert not is_hollow(filled(mask))
    assert shape_of(filled(mask)) == shape


@pytest.mark.parametrize("shape", SHAPES)
def test_a_thin_spur_does_not_make_it_another_shape(shape: str) -> None:
    mask = drawn(shape, (10, 10, 40, 40))
    mask[36:46, 24:26] = True
    assert shape_of(mask) == shape


@pytest.mark.parametrize("shape", SHAPES)
def test_half_of_a_shape_is_none(shape: str) -> None:
    mask = drawn(shape, (10, 10, 50, 50))
    mask[:, 30:] = False
    assert shape_of(mask) is None


@pytest.mark.parametrize("shape", SHAPES)
def test_a_flattened_shape_is_none(shape: str) -> None:
    assert shape_of(drawn(shape, (10, 20, 60, 48))) is None


def test_a_square_with_round_corners_is_neither_a_square_nor_a_circle() -> None:
    image = Image.new("L", (320, 320))
    ImageDraw.Draw(image).rounded_rectangle((40, 40, 200, 200), radius=50, fill=255)
    mask = np.asarray(image.reduce(4)) > 127
    found = deviations(mask)
    assert max(found["square"], found["circle"]) < FARTHEST, "it is near to both"
    assert shape_of(mask) is None


def test_the_measure_is_the_mean_distance_between_the_outlines() -> None:
    """A square of 40 whose one side is moved out by 4: 1 in 4 of the outline is 4 away, before both are put over each other."""
    mask = np.zeros((80, 80), bool)
    mask[20:60, 20:64] = True
    # over each other: the root of the area is 41.95, so two sides are 1.02 beyond and two 0.98 within
    assert deviations(mask)["square"] == pytest.approx(1.0 / 41.95, rel=0.1)

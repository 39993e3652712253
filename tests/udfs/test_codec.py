"""Bytes of every kind that folders hold -> the upright RGB picture expected, and nothing of a source's metadata."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from udfs.codec import PictureModeError, decode, encode_generated, encode_photo, is_srgb, to_srgb, upright_photo
from udfs.jpeg import BrokenJpegError, Frame, frame, without_metadata

SIZE = (48, 32)
LEFT, RIGHT = (200, 30, 40), (20, 60, 190)


def halves(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    """Red on the left, blue on the right: turned or mirrored pictures differ."""
    image = Image.new("RGB", size, RIGHT)
    image.paste(LEFT, (0, 0, size[0] // 2, size[1]))
    return image.convert(mode)


def saved(image: Image.Image, format: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **({"quality": 95} | options if format == "JPEG" else options))
    return buffer.getvalue()


def red(image: Image.Image, at: tuple[int, int]) -> bool:
    pixel = image.getpixel(at)
    assert isinstance(pixel, tuple)
    return pixel[0] > 150


def distance(image: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(image, dtype=float) - np.asarray(other, dtype=float)).mean())


def other_profile() -> bytes:
    """A matrix profile that is not sRGB: the CMS's own XYZ-like space would not do, so red and blue change places in a
    built sRGB profile."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for at in range(128, 400):
        if profile[at : at + 4] == b"rXYZ":
            profile[at : at + 4] = b"tmpX"
        elif profile[at : at + 4] == b"bXYZ":
            profile[at : at + 4] = b"rXYZ"
    return bytes(profile.replace(b"tmpX", b"bXYZ"))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    image = decode(saved(halves(mode), "TIFF" if mode == "CMYK" else "PNG"))
    assert (image.mode, image.size, image.info) == ("RGB", SIZE, {})
    tolerance = 12 if mode in ("L", "LA", "1") else 4
    assert distance(image, halves(mode).convert("RGB")) < tolerance


def test_transparency_lies_over_white() -> None:
    clear = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    palette = halves("P")
    palette.info["transparency"] = palette.getpixel((0, 0))
    assert decode(saved(clear, "PNG")).getextrema() == ((255, 255),) * 3
    seen = decode(saved(palette, "PNG", transparency=palette.getpixel((0, 0))))
    assert (seen.getpixel((2, 2)), red(seen, (40, 2))) == ((255, 255, 255), False)


@pytest.mark.parametrize(("value", "grey"), [(0, 0), (32896, 128), (65535, 255)])
def test_sixteen_bit_grey_is_scaled(value: int, grey: int) -> None:
    image = Image.fromarray(np.full((32, 48), value, dtype=np.uint16))
    assert decode(saved(image, "PNG")).getextrema() == ((grey, grey),) * 3


def test_float_pixels_are_refused() -> None:
    with pytest.raises(PictureModeError, match="which value is white"):
        to_srgb(Image.new("F", SIZE, 0.5))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(halves(), exif=exif)
    image = decode(data)
    assert image.size == (SIZE if orientation < 5 else SIZE[::-1])
    corner = {1: (4, 4), 2: (44, 4), 3: (44, 4), 4: (4, 4), 5: (4, 4), 6: (4, 4), 7: (4, 44), 8: (4, 44)}[orientation]
    assert red(image, corner)
    photo, size, converted = upright_photo(data, 95)
    assert (size, converted) == (image.size, orientation != 1)
    assert distance(Image.open(io.BytesIO(photo)), image) < 3


def test_an_upright_srgb_jpeg_keeps_its_pixels_and_loses_everything_else() -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = (
        saved(halves(), exif=exif, xmp=b"<x/>", comment=b"a secret", icc_profile=profile, progressive=True)
        + b"after its end"
    )
    photo, size, converted = upright_photo(data, 95)
    seen = Image.open(io.BytesIO(photo))
    assert (size, converted, len(photo) < len(data)) == (SIZE, False, True)
    assert np.array_equal(np.asarray(seen), np.asarray(Image.open(io.BytesIO(data))))
    assert not {"exif", "xmp", "comment", "icc_profile"} & set(seen.info)
    for secret in (b"a camera", b"a secret", b"after its end"):
        assert secret not in photo


def test_another_profile_is_applied_and_the_pixels_encoded_anew() -> None:
    profile = other_profile()
    data = saved(halves(), icc_profile=profile)
    assert not is_srgb(profile)
    photo, _, converted = upright_photo(data, 95)
    assert converted
    assert distance(Image.open(io.BytesIO(photo)), halves()) > 20


@pytest.mark.parametrize("profile", [None, b"", b"not a profile"])
def test_no_profile_and_an_unreadable_one_mean_srgb(profile: bytes | None) -> None:
    assert is_srgb(profile)
    assert distance(decode(saved(halves(), icc_profile=profile)), halves()) < 3


def test_grey_cmyk_and_other_formats_are_encoded_anew_as_rgb() -> None:
    for data in (saved(halves("L")), saved(halves("CMYK")), saved(halves(), "PNG"), saved(halves(), "WEBP")):
        photo, _, converted = upright_photo(data, 95)
        assert (converted, frame(photo)) == (True, Frame(*SIZE, 3))


def test_of_an_animation_the_first_frame_counts() -> None:
    data = saved(halves("P"), "GIF", save_all=True, append_images=[Image.new("P", SIZE, 0)])
    assert red(decode(data), (2, 2))
    assert not red(decode(data), (40, 2))


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
def test_a_truncated_file_is_an_error(cut: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    data = saved(noise)
    with pytest.raises(OSError, match=r"truncated|cannot identify|cut off"):
        upright_photo(data[: int(len(data) * cut)], 95)


def test_a_text_file_is_no_picture() -> None:
    with pytest.raises(OSError, match="cannot identify"):
        upright_photo(b"hello, I am a text file named photo.jpg" * 20, 95)


def test_a_decompression_bomb_is_refused() -> None:
    header = bytearray(saved(halves(), "BMP"))
    header[18:26] = (60_000).to_bytes(4, "little") * 2
    with pytest.raises(Image.DecompressionBombError):
        decode(bytes(header))


def test_a_draft_decode_is_smaller_but_not_below_the_side() -> None:
    data = saved(halves(size=(1024, 768)))
    assert decode(data, draft=224).size == (512, 384)


def test_a_generated_picture_is_marked_and_a_photograph_is_not() -> None:
    marked = Image.open(io.BytesIO(encode_generated(halves(), 95)))
    start = marked.info["xmp"].index(b"<x:xmpmeta")
    tree = ElementTree.fromstring(marked.info["xmp"][start : marked.info["xmp"].index(b"<?xpacket end")])
    values = [
        value for node in tree.iter() for name, value in node.attrib.items() if name.endswith("DigitalSourceType")
    ]
    assert values == ["http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"]
    commented = Image.open(io.BytesIO(saved(halves(), comment=b"from the source")))
    assert not {"xmp", "comment", "exif"} & set(Image.open(io.BytesIO(encode_photo(commented, 95))).info)


def test_only_rgb_is_encoded() -> None:
    with pytest.raises(ValueError, match="mode L"):
        encode_photo(halves("L"), 95)


@given(st.integers(1, 40), st.integers(1, 40), st.booleans(), st.integers(0, 2), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_stripping_never_changes_a_pixel(
    width: int, height: int, progressive: bool, subsampling: int, seed: int
) -> None:
    noise = Image.fromarray(np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8))
    data = saved(noise, progressive=progressive, subsampling=subsampling, comment=b"c", restart_marker_blocks=3)
    bare = without_metadata(data)
    assert frame(bare) == frame(data) == Frame(width, height, 3)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(bare))), np.asarray(Image.open(io.BytesIO(data))))
    assert without_metadata(bare) == bare


@given(st.integers(2, 600))
@settings(max_examples=60, deadline=None)
def test_a_cut_jpeg_never_passes_as_whole(cut: int) -> None:
    data = saved(halves())
    with pytest.raises(BrokenJpegError):
        without_metadata(data[: min(cut, len(data) - 1)])


def test_the_packaged_photographs_keep_their_pixels() -> None:
    import sklearn.datasets

    folder = Path(sklearn.datasets.__file__).parent / "images"
    for name in ("china.jpg", "flower.jpg"):
        data = (folder / name).read_bytes()
        photo, size, converted = upright_photo(data, 95)
        assert (size, converted) == ((640, 427), False)
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(photo))), np.asarray(Image.open(io.BytesIO(data))))

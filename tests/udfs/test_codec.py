"""Bytes of every kind that folders hold -> the upright RGB picture expected, and nothing of a source's metadata."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms, ImageFile, UnidentifiedImageError

import udfs.codec
from conf.photo_metadata import PICTURES
from udfs.codec import (
    FORMATS,
    PictureModeError,
    decode,
    encode_generated,
    encode_photo,
    is_srgb,
    to_srgb,
    upright_photo,
)
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


def noise(size: tuple[int, int] = (64, 64), seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (*size[::-1], 3), dtype=np.uint8))


def held(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif


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


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(("kind", "bits"), [(np.int32, 32), (np.uint16, 12)])
def test_only_sixteen_bits_are_scaled_as_sixteen(kind: type[np.generic], bits: int, orientation: int) -> None:
    grey = Image.fromarray(np.full((32, 48), 4000, dtype=kind))
    tiff = bytearray(saved(grey, "TIFF", exif=held(orientation)))
    at = tiff.index((258).to_bytes(2, "little") + b"\x03\0\x01\0\0\0") + 8  # BitsPerSample, one short number
    tiff[at : at + 2] = bits.to_bytes(2, "little")
    with pytest.raises(PictureModeError, match="which value is white"):
        decode(bytes(tiff))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    data = saved(halves(), exif=held(orientation))
    image = decode(data)
    assert image.size == (SIZE if orientation < 5 else SIZE[::-1])
    corner = {1: (4, 4), 2: (44, 4), 3: (44, 4), 4: (4, 4), 5: (4, 4), 6: (4, 4), 7: (4, 44), 8: (4, 44)}[orientation]
    assert red(image, corner)
    photo, size, converted = upright_photo(data, 95)
    assert (size, converted) == (image.size, orientation != 1)
    assert distance(Image.open(io.BytesIO(photo)), image) < 3


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_an_orientation_without_a_meaning_is_upright(orientation: int) -> None:
    data = saved(halves(), exif=held(orientation))
    assert upright_photo(data, 95) == (without_metadata(data), SIZE, False)
    assert red(decode(data), (4, 4))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_is_passed_over(format: str) -> None:
    assert red(decode(saved(halves(), format, exif=b"Exif\0\0no EXIF at all")), (4, 4))


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


def marked_adobe(color_space: int = 0xFFFF) -> Image.Exif:
    """As cameras mark Adobe RGB, by DCF: with no profile."""
    exif = Image.Exif()
    own = exif.get_ifd(ExifTags.IFD.Exif)
    own[ExifTags.Base.ColorSpace] = color_space
    own[ExifTags.IFD.Interop] = {1: "R03", 2: b"0100"}
    return exif


def adobe_to_srgb(pixel: tuple[int, int, int]) -> list[int]:
    """By the two standards' own numbers, both under D65: no profile."""
    to_xyz = [[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]]
    to_rgb = [[3.24045, -1.53714, -0.49853], [-0.96927, 1.87601, 0.04156], [0.05564, -0.20403, 1.05723]]
    linear = np.clip(np.array(to_rgb) @ np.array(to_xyz) @ (np.array(pixel) / 255) ** (563 / 256), 0, 1)
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return [int(value) for value in (255 * curve).round()]


@pytest.mark.parametrize("pixel", [(128, 128, 128), (60, 180, 90), (200, 110, 60), (0, 255, 0), (255, 255, 255)])
def test_adobe_rgb_that_a_camera_marked_becomes_srgb(pixel: tuple[int, int, int]) -> None:
    data = saved(Image.new("RGB", SIZE, pixel), exif=marked_adobe(), quality=100, subsampling=0)
    coded = Image.open(io.BytesIO(data)).getpixel((0, 0))
    assert isinstance(coded, tuple)
    photo, _, converted = upright_photo(data, 100)
    for seen in (decode(data), Image.open(io.BytesIO(photo))):
        assert np.abs(np.asarray(seen)[0, 0].astype(int) - adobe_to_srgb((coded[0], coded[1], coded[2]))).max() <= 2
    assert converted


def test_a_profile_or_exif_that_says_srgb_counts_more_than_that_mark() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for data in (saved(halves(), exif=marked_adobe(), icc_profile=srgb), saved(halves(), exif=marked_adobe(1))):
        assert not upright_photo(data, 95)[2]


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
    data = saved(noise())
    with pytest.raises(OSError, match=r"truncated|no picture|cut off"):
        upright_photo(data[: int(len(data) * cut)], 95)


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_blocks": 1}], ids=["baseline", "progressive", "restarts"]
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_cut_jpeg_that_was_given_an_end_is_an_error(
    mode: str, options: dict[str, Any], orientation: int, cut: float
) -> None:
    data = saved(noise((128, 96)).convert(mode), exif=held(orientation), **options)
    assert sorted(upright_photo(data, 95)[1]) == [96, 128]
    with pytest.raises(BrokenJpegError, match="ends before its picture does|cut off"):
        upright_photo(data[: int(len(data) * cut)] + b"\xff\xd9", 95)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 1}])
@pytest.mark.parametrize("grey", [127, 128])
def test_a_grey_corner_alone_is_no_damage(grey: int, options: dict[str, Any]) -> None:
    data = saved(Image.new("RGB", SIZE, (grey,) * 3), **options)
    assert upright_photo(data, 95) == (without_metadata(data), SIZE, False)


def test_the_data_of_an_arithmetic_jpeg_may_end_early() -> None:
    data = saved(Image.new("L", (16, 16), 128)).replace(b"\xff\xc0", b"\xff\xc9", 1)
    scan = data.index(b"\xff\xda")
    data = data[: scan + 2 + int.from_bytes(data[scan + 2 : scan + 4], "big")] + b"\x80\xff\xd9"
    assert frame(data).arithmetic
    assert upright_photo(data, 95)[1] == (16, 16)


def test_an_upright_and_a_turned_jpeg_without_an_end_are_refused_alike() -> None:
    """The decoder needs no end; what lies behind the scan is damaged."""
    for orientation in (1, 6):
        data = saved(noise(), exif=held(orientation))
        with pytest.raises(BrokenJpegError):
            upright_photo(data[:-2] + b"\xff\xfe\x00\x01\xff\xd9", 95)


@pytest.mark.parametrize("stray", [b"\0\0", b"ab", b"\xff\0\x12", b"\xff\xd3"])
def test_stray_bytes_between_segments_are_dropped(stray: bytes) -> None:
    data = saved(halves(), comment=b"c")
    comment, tables = data.index(b"\xff\xfe"), data.index(b"\xff\xdb")
    for at in (comment, tables, len(data) - 2):
        photo, _, converted = upright_photo(data[:at] + stray + data[at:], 95)
        assert not converted
        assert distance(Image.open(io.BytesIO(photo)), Image.open(io.BytesIO(data))) == 0
        assert at == len(data) - 2 or photo == without_metadata(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"hello, I am a text file", "no picture that can be read .*: it begins with b'hello, I'"),
        (b"\xff\xd8\xff" + b"\0" * 40, r"it begins with b'\\xff\\xd8\\xff"),
    ],
)
def test_what_is_no_picture_is_described_by_its_first_bytes(data: bytes, message: str) -> None:
    messages = set()
    for _ in range(2):
        with pytest.raises(UnidentifiedImageError, match=message) as caught:
            upright_photo(data, 95)
        messages.add(str(caught.value))
    assert len(messages) == 1
    assert messages.pop().isascii()


def test_the_formats_are_those_that_the_metadata_file_may_name() -> None:
    Image.init()
    assert {Image.registered_extensions()[suffix] for suffix in PICTURES} == set(FORMATS)


@pytest.mark.parametrize("format", ["EPS", "PPM", "TGA"])
def test_other_formats_are_not_opened(format: str) -> None:
    """EPS would start Ghostscript."""
    with pytest.raises(UnidentifiedImageError):
        upright_photo(saved(halves(), format), 95)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [16_384, 60_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow itself refuses the larger one only."""
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    header = bytearray(saved(halves(), "BMP"))
    header[18:26] = side.to_bytes(4, "little") * 2
    for refuse in (decode, lambda data: upright_photo(data, 95)):
        with pytest.raises(Image.DecompressionBombError, match="more than 178,956,970 pixels"):
            refuse(bytes(header))


@pytest.mark.parametrize("data", [saved(halves(), "PNG"), saved(halves()), saved(halves(), exif=held(6))])
def test_a_photograph_is_decoded_once(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Mock(wraps=udfs.codec.opened)
    monkeypatch.setattr(udfs.codec, "opened", opened)
    upright_photo(data, 95)
    assert opened.call_count == 1


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
    data = saved(
        noise((width, height), seed),
        progressive=progressive,
        subsampling=subsampling,
        comment=b"c",
        restart_marker_blocks=3,
    )
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

"""Bytes to upright sRGB RGB pictures, and pictures to JPEG. What a generator made is marked as such when it is
encoded."""

from __future__ import annotations

import functools
import hashlib
import io
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageFile, UnidentifiedImageError

from udfs.jpeg import BrokenJpegError, frame, without_metadata

# IPTC Digital Source Type, http://cv.iptc.org/newscodes/digitalsourcetype/: the machine-readable mark of AI-generated
# pictures.
_GENERATED_XMP = b"""<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/>
</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""

# Those that conf/photo_metadata.py promises. Pillow knows others, and starts a program for one of them (EPS).
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")
_JPEGS = ("JPEG", "MPO")  # MPO: a JPEG with more pictures behind its end

_MAX_PIXELS = 178_956_970  # what Pillow's own default refuses
Image.MAX_IMAGE_PIXELS = _MAX_PIXELS  # above it Pillow warns, above twice as many it refuses: `opened` does not wait
_TOO_LARGE = f"the picture has more than {_MAX_PIXELS:,} pixels, too many to decode; scale it down"

_TURNS: dict[Any, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # EXIF orientation -> what makes the picture upright

_EXIF_SRGB = 1  # of EXIF's ColorSpace
_DCF_ADOBE_RGB = "R03"

_WHITE_16 = 65535
# to follow coded data that may end too early: also where a restart marker is due
_OTHER_DATA = b"".join(bytes((*range(1, 255), 0xFF, restart)) for restart in range(0xD0, 0xD8))
_SRGB_TOLERANCE = 2  # levels of 255: profiles that are sRGB under another name differ by rounding only
_PROFILE_MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}


class PictureModeError(ValueError):
    """The file's pixels have no defined colors."""


def opened(data: bytes) -> ImageFile.ImageFile:
    """The picture in `data`, its header read and none of its pixels. UnidentifiedImageError for what is no picture in
    one of FORMATS, DecompressionBombError for one that is too large."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise UnidentifiedImageError(_no_picture(data)) from None
    except Image.DecompressionBombError:
        raise Image.DecompressionBombError(_TOO_LARGE) from None
    if image.width * image.height > _MAX_PIXELS:
        raise Image.DecompressionBombError(_TOO_LARGE)
    if not image.info.get("icc_profile") and _is_adobe_rgb(image):
        image.info["icc_profile"] = _adobe_rgb()
    return image


def decode(data: bytes, draft: int | None = None) -> Image.Image:
    """The picture in `data`: RGB, sRGB, upright, of a multi-frame file the first frame; transparency over white.

    draft: a side in pixels; a JPEG is then decoded at the smallest DCT scale whose sides are at least that long (1/2,
    1/4, 1/8): several times faster for a scorer that shrinks it anyway. Raises what `opened` raises, OSError
    (truncated), PictureModeError.
    """
    image: Image.Image = opened(data)
    if draft is not None:
        image.draft("RGB", (draft, draft))
    image.load()
    turn = _turn(image)
    image = to_srgb(image)  # under one name: of a large picture there are never three copies
    return _turned(image, turn)


def to_srgb(image: Image.Image) -> Image.Image:
    """RGB in the sRGB color space, whatever mode and profile the picture had; 16-bit grey is scaled to 8; nothing of
    its metadata stays."""
    profile = image.info.get("icc_profile")
    layer, alpha = _without_alpha(_eight_bits(image))
    flat = _through_profile(layer, profile) if profile else layer
    flat = flat if flat.mode == "RGB" else flat.convert("RGB")
    if alpha is not None:
        flat = Image.composite(flat, Image.new("RGB", flat.size, "white"), alpha)
    flat = flat.copy() if flat is image else flat
    flat.info = {}
    return flat


def encode_generated(image: Image.Image, quality: int) -> bytes:
    """JPEG of a generated picture, marked trainedAlgorithmicMedia (XMP)."""
    return _jpeg(image, quality, xmp=_GENERATED_XMP)


def encode_photo(image: Image.Image, quality: int) -> bytes:
    """JPEG of a photograph, without any metadata."""
    return _jpeg(image, quality)


def upright_photo(data: bytes, quality: int) -> tuple[bytes, tuple[int, int], bool]:
    """(JPEG without metadata, (width, height), whether the pixels were encoded anew) of a photograph in one of FORMATS.

    A JPEG that is upright, of three components and in sRGB keeps its own coded pixels. Raises what `decode` raises, and
    BrokenJpegError.
    """
    image: Image.Image = opened(data)
    image.load()
    turn = _turn(image)
    if image.format in _JPEGS:
        bare = without_metadata(data)
        if _breaks_off(image, bare):
            raise BrokenJpegError("the JPEG is damaged: its coded data ends before its picture does")
        if image.mode == "RGB" and turn is None and is_srgb(image.info.get("icc_profile")):
            return bare, image.size, False
    image = to_srgb(image)
    image = _turned(image, turn)
    return encode_photo(image, quality), image.size, True


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@functools.lru_cache(maxsize=64)
def is_srgb(profile: bytes | None) -> bool:
    """Whether colors through an RGB profile come out as they went in. No profile means sRGB; so does one that cannot be
    read, as in browsers."""
    if not profile:
        return True
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    seen = np.asarray(_through_profile(Image.fromarray(grid), profile))
    return int(np.abs(seen.astype(int) - grid.astype(int)).max()) <= _SRGB_TOLERANCE


def _no_picture(data: bytes) -> str:
    if not data:
        return "the file is empty"
    return f"no picture that can be read ({', '.join(FORMATS)}): it begins with {data[:8]!r}"


def _is_adobe_rgb(image: Image.Image) -> bool:
    """Whether a camera says so as DCF lays down: by an interoperability index in EXIF, not by a profile."""
    if image.format not in _JPEGS:
        return False
    exif = image.getexif()
    own = exif.get_ifd(ExifTags.IFD.Exif)
    if ExifTags.IFD.Interop not in own or own.get(ExifTags.Base.ColorSpace) == _EXIF_SRGB:
        return False
    return exif.get_ifd(ExifTags.IFD.Interop).get(ExifTags.Interop.InteropIndex) == _DCF_ADOBE_RGB


@functools.cache
def _adobe_rgb() -> bytes:
    """A profile of Adobe RGB (1998): the sRGB one with other primaries (XYZ under D50) and a pure gamma."""
    primaries = {
        b"rXYZ": (0.60974, 0.31111, 0.01947),
        b"gXYZ": (0.20528, 0.62567, 0.06087),
        b"bXYZ": (0.14919, 0.06322, 0.74457),
    }
    tags = {name: b"XYZ \0\0\0\0" + _fixed(*xyz) for name, xyz in primaries.items()}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), b"para\0\0\0\0\0\0\0\0" + _fixed(563 / 256))
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for name, tag in tags.items():
        entry = profile.index(name, 128)  # behind the header, in the table of tags: name, place, length
        place = int.from_bytes(profile[entry + 4 : entry + 8], "big")
        profile[place : place + len(tag)] = tag
    return bytes(profile)


def _fixed(*values: float) -> bytes:
    return b"".join(round(value * 65536).to_bytes(4, "big") for value in values)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """None where EXIF says upright or nothing, is broken, or has a value without a meaning: some cameras write 0."""
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
    except SyntaxError:  # of a JPEG, Pillow itself passes over broken EXIF
        return None


def _turned(image: Image.Image, turn: Image.Transpose | None) -> Image.Image:
    return image if turn is None else image.transpose(turn)


def _breaks_off(image: Image.Image, bare: bytes) -> bool:
    """Whether the coded data of a JPEG (bare: without metadata) ends before its picture does. The decoder then makes up
    the rest without a word, and makes up another rest where other bytes follow the data.

    It is decoded again only where the rest would show: grey in the last corner, or where several scans make the
    picture. Arithmetic coding is passed over: its data may end early.
    """
    corner = image.crop((image.width - 1, image.height - 1, image.width, image.height)).tobytes()
    if frame(bare).arithmetic or not (set(corner) <= {127, 128} or bare.count(b"\xff\xda") > 1):
        return False
    longer = Image.open(io.BytesIO(bare[:-2] + _OTHER_DATA + bare[-2:]), formats=("JPEG",))
    return longer.histogram() != image.histogram()  # unlike a difference, no third copy of a large picture


def _eight_bits(image: Image.Image) -> Image.Image:
    if not image.mode.startswith(("I", "F")):
        return image
    bits = getattr(image, "tag_v2", {}).get(ExifTags.Base.BitsPerSample, (16,))  # of a TIFF; Pillow has no mode for 12
    if image.mode in ("I", "F") or bits != (16,):
        raise PictureModeError(
            "the picture's pixels are no unsigned numbers of 8 or 16 bits, and nothing says which value is white;"
            " convert it to 8 or 16 bits a channel"
        )
    return Image.fromarray(
        (np.asarray(image).astype(np.float64) * 255 / _WHITE_16).round().clip(0, 255).astype(np.uint8)
    )


def _without_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The opaque layer (palettes resolved) and the alpha mask, None where there is no transparency."""
    if image.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        grey = image.mode in ("LA", "L")
        layer = image.convert("RGBA")
        return layer.convert("RGB").convert("L") if grey else layer.convert("RGB"), layer.getchannel("A")
    return (image.convert("RGB") if image.mode == "P" else image), None


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """The picture in sRGB. A profile that cannot be read, or is not for this kind of picture, is passed over as
    browsers do."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if _PROFILE_MODES.get(source.profile.xcolor_space) != image.mode:
            return image
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (OSError, ImageCms.PyCMSError):
        return image
    return converted or image


def _jpeg(image: Image.Image, quality: int, **options: Any) -> bytes:
    if image.mode != "RGB":
        raise ValueError(f"a picture of mode {image.mode} cannot be encoded; convert it with to_srgb first")
    buffer = io.BytesIO()
    # 4:4:4: chroma subsampling smears colored edges, which a training set should not teach. The comment: Pillow would
    # copy the source's.
    image.save(buffer, "JPEG", quality=quality, subsampling=0, optimize=True, comment=b"", **options)
    return buffer.getvalue()

"""Bytes to upright sRGB RGB pictures, and pictures to JPEG. What a generator made is marked as such when it is
encoded."""

from __future__ import annotations

import functools
import hashlib
import io
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps

from udfs.jpeg import without_metadata

# IPTC Digital Source Type, http://cv.iptc.org/newscodes/digitalsourcetype/: the machine-readable mark of AI-generated
# pictures.
_GENERATED_XMP = b"""<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/>
</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""

Image.MAX_IMAGE_PIXELS = 178_956_970  # Pillow's own default, fixed: above twice this it raises DecompressionBombError

_WHITE_16 = 65535
_SRGB_TOLERANCE = 2  # levels of 255: profiles that are sRGB under another name differ by rounding only
_PROFILE_MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}


class PictureModeError(ValueError):
    """The file's pixels have no defined colors."""


def decode(data: bytes, draft: int | None = None) -> Image.Image:
    """The picture in `data`: RGB, sRGB, upright, of a multi-frame file the first frame; transparency over white.

    draft: a side in pixels; a JPEG is then decoded at the smallest DCT scale whose sides are at least that long (1/2,
    1/4, 1/8): several times faster for a scorer that shrinks it anyway. Raises PIL's UnidentifiedImageError or OSError
    (truncated), DecompressionBombError.
    """
    image = Image.open(io.BytesIO(data))
    if draft is not None:
        image.draft("RGB", (draft, draft))
    image.load()
    return to_srgb(ImageOps.exif_transpose(image))


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
    """(JPEG without metadata, (width, height), whether the pixels were encoded anew) of a photograph in any format that
    Pillow reads.

    A JPEG that is upright, of three components and in sRGB keeps its own coded pixels. Raises what `decode` raises, and
    BrokenJpegError.
    """
    with Image.open(io.BytesIO(data)) as source:
        source.load()
        keeps = source.format in ("JPEG", "MPO") and source.mode == "RGB" and source.getexif().get(0x0112, 1) == 1
        if keeps and is_srgb(source.info.get("icc_profile")):
            return without_metadata(data), source.size, False
    image = decode(data)
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


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise PictureModeError(
            "the picture has floating-point pixels, and nothing says which value is white;"
            " convert it to 8 or 16 bits a channel"
        )
    if image.mode.startswith("I"):
        return Image.fromarray(
            (np.asarray(image).astype(np.float64) * 255 / _WHITE_16).round().clip(0, 255).astype(np.uint8)
        )
    return image


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

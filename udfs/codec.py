"""Bytes to upright sRGB RGB pictures, and pictures to JPEG. What a generator made is marked as such when it is encoded."""

from __future__ import annotations

import hashlib
import io

from PIL import Image, ImageCms, ImageOps

# IPTC Digital Source Type, http://cv.iptc.org/newscodes/digitalsourcetype/: the machine-readable mark of AI-generated pictures.
_GENERATED_XMP = b"""<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/>
</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""

Image.MAX_IMAGE_PIXELS = 178_956_970  # Pillow's own default, fixed: above twice this it raises DecompressionBombError


def decode(data: bytes, draft: int | None = None) -> Image.Image:
    """The picture in `data`: RGB, sRGB, upright, of a multi-frame file the first frame; transparency over white.

    draft: a side in pixels; a JPEG is then decoded at the smallest DCT scale whose sides are at least that long (1/2, 1/4, 1/8): several times
    faster for a scorer that shrinks it anyway. Raises PIL's UnidentifiedImageError or OSError (truncated), DecompressionBombError.
    """
    image = Image.open(io.BytesIO(data))
    if draft is not None:
        image.draft("RGB", (draft, draft))
    image.load()
    return to_srgb(ImageOps.exif_transpose(image))


def to_srgb(image: Image.Image) -> Image.Image:
    """RGB in the sRGB color space, whatever mode and profile the picture had; 16-bit grey is scaled to 8."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I") or image.mode == "F":
        image = image.point(lambda value: value / 257).convert("L") if image.mode != "F" else image.convert("L")
    if image.mode in ("P", "LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    if profile and image.mode in ("RGB", "CMYK", "L"):
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        if converted is not None:
            image = converted
    return image.convert("RGB")


def encode_generated(image: Image.Image, quality: int) -> bytes:
    """JPEG of a generated picture, marked trainedAlgorithmicMedia (XMP)."""
    return _jpeg(image, quality, xmp=_GENERATED_XMP)


def encode_photo(image: Image.Image, quality: int) -> bytes:
    """JPEG of a photograph, without any metadata."""
    return _jpeg(image, quality)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _jpeg(image: Image.Image, quality: int, **options: bytes) -> bytes:
    if image.mode != "RGB":
        raise ValueError(f"a picture of mode {image.mode} cannot be encoded; convert it with to_srgb first")
    buffer = io.BytesIO()
    # 4:4:4: chroma subsampling smears colored edges, which a training set should not teach
    image.save(buffer, "JPEG", quality=quality, subsampling=0, optimize=True, **options)
    return buffer.getvalue()

"""The segments of a JPEG, read without decoding: its frame (size, components), and a copy without metadata that keeps
every coded pixel.

Markers and their layout: ITU-T T.81 (JPEG), annex B; JFIF: ITU-T T.871; APP14 Adobe: Adobe technical note 5116.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_APP0, _APP14, _APP15, _COMMENT = 0xE0, 0xEE, 0xEF, 0xFE
_TEM = 0x01  # a marker without a length, and without a meaning here
_RESTARTS = range(0xD0, 0xD8)
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0..SOF15; C4, C8, CC are tables
_ARITHMETIC = 0xC9  # the first frame of that coding; those before it are Huffman coded


class BrokenJpegError(OSError):
    """The bytes are no JPEG, or the file ends before its picture does."""


@dataclass(frozen=True)
class Frame:
    """What the frame header says: pixels as they lie in the file, before any EXIF rotation. arithmetic: the coding that
    may leave out the zeros at the end of a scan."""

    width: int
    height: int
    components: int
    arithmetic: bool = False


def frame(data: bytes) -> Frame:
    """The frame of a JPEG; only its headers are read. BrokenJpegError where there is none."""
    for marker, body in _segments(data):
        if marker in _FRAMES and len(body) >= 10:
            height, width = int.from_bytes(body[5:7], "big"), int.from_bytes(body[7:9], "big")
            return Frame(width, height, body[9], marker >= _ARITHMETIC)
    raise BrokenJpegError("the JPEG ends before its frame header")


def without_metadata(data: bytes) -> bytes:
    """The same picture, bit for bit, without EXIF, XMP, IPTC, profiles, comments, thumbnails and whatever follows its
    end.

    Kept are the tables, frames and scans, the JFIF header, and the Adobe segment, without which the colors of some
    files are read wrongly.
    """
    kept = [b"\xff\xd8"]
    for marker, body in _segments(data):
        if marker == _APP0:
            if body[4:9] == b"JFIF\0":
                kept.append(b"\xff\xe0\x00\x10" + body[4:16] + b"\x00\x00")  # its own thumbnail, 0 x 0
        elif marker == _APP14:
            if body[4:9] == b"Adobe":
                kept.append(body)
        elif not (_APP0 < marker <= _APP15 or marker == _COMMENT):
            kept.append(body)
    return b"".join(kept)


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, its bytes from 0xFF on) up to the end of the picture; a scan's bytes hold its coded data."""
    if data[:2] != b"\xff\xd8":
        raise BrokenJpegError("this is no JPEG: it does not start with FF D8")
    at = 2
    while True:
        at = _next_marker(data, at)
        marker = data[at + 1]
        if marker == _END:
            yield marker, data[at : at + 2]
            return
        end = at + 2
        if marker != _TEM:
            length = int.from_bytes(data[end : end + 2], "big")
            end += length
            if length < 2 or end > len(data):
                raise BrokenJpegError(f"the JPEG is cut off or damaged at byte {at:,} of {len(data):,}")
            if marker == _SCAN:
                end = _next_marker(data, end)
        yield marker, data[at:end]
        at = end


def _next_marker(data: bytes, start: int) -> int:
    """Where the next marker stands that begins a segment. Passed over, as decoders do: coded data with its coded FFs
    (FF 00) and restarts, fill bytes, and bytes between two segments that belong to neither."""
    at = start
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            raise BrokenJpegError(f"the JPEG is cut off or damaged: no marker follows byte {start:,} of {len(data):,}")
        if data[at + 1] != 0 and data[at + 1] != 0xFF and data[at + 1] not in _RESTARTS:
            return at
        at += 1 if data[at + 1] == 0xFF else 2

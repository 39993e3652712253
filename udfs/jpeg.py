"""The segments of a JPEG, read without decoding: its frame (size, components), and a copy without metadata that keeps
every coded pixel.

Markers and their layout: ITU-T T.81 (JPEG), annex B; JFIF: ITU-T T.871; APP14 Adobe: Adobe technical note 5116.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_APP0, _APP14, _APP15, _COMMENT = 0xE0, 0xEE, 0xEF, 0xFE
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD8)}  # TEM and the restart markers
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0..SOF15; C4, C8, CC are tables


class BrokenJpegError(OSError):
    """The bytes are no JPEG, or the file ends before its picture does."""


@dataclass(frozen=True)
class Frame:
    """What the frame header says: pixels as they lie in the file, before any EXIF rotation."""

    width: int
    height: int
    components: int


def frame(data: bytes) -> Frame:
    """The frame of a JPEG; only its headers are read. BrokenJpegError where there is none."""
    for marker, body in _segments(data):
        if marker in _FRAMES and len(body) >= 10:
            return Frame(int.from_bytes(body[7:9], "big"), int.from_bytes(body[5:7], "big"), body[9])
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
        while data[at : at + 2] == b"\xff\xff":  # fill bytes
            at += 1
        if len(data) < at + 2 or data[at] != 0xFF:
            raise BrokenJpegError(f"the JPEG is cut off or damaged at byte {at:,} of {len(data):,}")
        marker = data[at + 1]
        if marker == _END:
            yield marker, data[at : at + 2]
            return
        if marker in _WITHOUT_LENGTH:
            end = at + 2
        else:
            length = int.from_bytes(data[at + 2 : at + 4], "big")
            end = at + 2 + length
            if length < 2 or end > len(data):
                raise BrokenJpegError(f"the JPEG is cut off or damaged at byte {at:,} of {len(data):,}")
            if marker == _SCAN:
                end = _end_of_scan(data, end)
        yield marker, data[at:end]
        at = end


def _end_of_scan(data: bytes, at: int) -> int:
    """Where the next marker stands that is not a restart; FF 00 is a coded FF."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            raise BrokenJpegError("the JPEG ends inside its picture")
        if data[at + 1] != 0 and not 0xD0 <= data[at + 1] <= 0xD7 and data[at + 1] != 0xFF:
            return at
        at += 1 if data[at + 1] == 0xFF else 2

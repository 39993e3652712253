"""A training set given -> shards, release and rows expected; and what happens when it is cut off, damaged or
changed."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import webdataset
from pyspark.sql import SparkSession

from conf.loading import RecipeError
from conf.recipe import Release, Scorer
from jobs import export_webdataset
from jobs.endings import JobError
from jobs.export_webdataset import decisions_stored
from jobs.launch import Context
from jobs.release import lies_whole, shard_counts
from schemas.delta import Lakehouse, with_run
from schemas.tables import TABLES
from tests.recipes import Killed, small_recipe
from tests.udfs.test_shards import FIFTEEN, photograph, sample
from udfs.shards import shard_of

SQUARE, WIDE, CURATED = (
    "synthetic_original_prompt_square_resolution",
    "synthetic_enhanced_prompt_random_resolution",
    "curated",
)
SAMPLES = [
    *(
        sample(f"{n:032x}", subset=SQUARE, variant="original", enhanced_prompt=None, prompt="a star", caption="a star")
        for n in range(5)
    ),
    *(sample(f"{n:032x}", subset=WIDE) for n in range(5, 8)),
    *(photograph(f"{n:032x}") for n in range(8, 10)),
]
_VIEW = (
    "policy string, image_id string, kind string, subset string, caption string, prompt string, enhanced_prompt string,"
    " variant string, task string, category string, style string, width int, height int, sha256 string, licence string,"
    " model string, writer string, enhancer string, captioner string, source string, source_url string, author string,"
    " aesthetic_predictor_v_2_5_score double, clip_scenes_similarity double, judge double, judge_weakest double"
)
_FUNNEL = (
    "policy string, kind string, ordinal int, step string, gate string,"
    " rows_in int, fail int, fail_only int, rows_out int"
)


def show(
    spark: SparkSession, samples: list[tuple[dict[str, Any], bytes]], partitions: int = 1, candidates: int = 20
) -> None:
    """Make the view training_set hold these samples, chosen from so many candidates."""
    names = [column.strip().split()[0] for column in _VIEW.split(",")]
    rows = [tuple((row | {"policy": "test"}).get(name) for name in names) for row, _ in samples]
    spark.createDataFrame(rows, _VIEW).repartition(partitions).createOrReplaceTempView("training_set")
    funnel = [("test", "generated", 1, "candidates", None, candidates, 10, 10, 10)]
    spark.createDataFrame(funnel, _FUNNEL).createOrReplaceTempView("funnel")


def store(lakehouse: Lakehouse, samples: list[tuple[dict[str, Any], bytes]]) -> None:
    """Put the pictures into images and photos."""
    for table, kind in (("images", "generated"), ("photos", "photograph")):
        columns = [c for c in TABLES[table].columns if c.name not in ("run_id", "created_at")]
        also = {
            "prompt_id": "p", "regime": "random_aspect", "generator": "scenes", "spec_id": "spec", "candidate": 0,
            "text": "t", "status": "ok", "wave": 0, "source_id": "s",
            "parameters": '{"steps": 8}',
        }  # fmt: skip
        rows = [row | also | {"image": image} for row, image in samples if row["kind"] == kind]
        full = [tuple(row.get(c.name) for c in columns) for row in rows]
        frame = lakehouse.spark.createDataFrame(full, ", ".join(f"{c.name} {c.type}" for c in columns))
        lakehouse.append(table, with_run(frame, "store"))


def made(spark: SparkSession, lakehouse: Lakehouse, run: str) -> Context:
    release = Release(name="pan", folder=str(Path(lakehouse.root).parent / "shards"), samples_per_shard=2)
    recipe = small_recipe(lakehouse, release=release, scorers=(Scorer(name="clip_scenes"),))
    return Context(spark, recipe, lakehouse, run)


def tree(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(autouse=True)
def no_decisions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The training set here is a view of its own: storing decisions that nothing reads would take most of the time."""
    monkeypatch.setattr(export_webdataset, "decisions_stored", lambda context: nullcontext())


@pytest.fixture
def context(spark: SparkSession, lakehouse: Lakehouse) -> Context:
    store(lakehouse, SAMPLES)
    show(spark, SAMPLES)
    return made(spark, lakehouse, "run1")


@pytest.fixture
def shards(lakehouse: Lakehouse) -> Path:
    return Path(lakehouse.root).parent / "shards"


def test_a_release_is_whole_frozen_and_mended(
    context: Context, shards: Path, spark: SparkSession, lakehouse: Lakehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    export_webdataset.run(context)
    first = tree(shards)
    folder = shards / "pan-001"
    counts = {SQUARE: 2, WIDE: 2, CURATED: 1}
    for subset, n in counts.items():
        wanted = {row["image_id"]: (row, image) for row, image in SAMPLES if row["subset"] == subset}
        urls = [str(folder / subset / f"train-{shard:06d}.tar") for shard in range(n)]
        read = {s["__key__"]: s for s in webdataset.WebDataset(urls, shardshuffle=False, empty_check=False)}
        assert read.keys() == wanted.keys()
        for key, (row, image) in wanted.items():
            assert (read[key]["jpg"], read[key]["txt"].decode()) == (image, row["caption"])
            assert [*json.loads(read[key]["json"])][:15] == FIFTEEN
            assert read[key]["__url__"] == urls[shard_of(key, n)]

    manifest = json.loads((folder / "manifest.json").read_text())
    listed = {f"pan-001/{name}": about["sha256"] for name, about in manifest["files"].items()}
    assert listed == {name: digest for name, digest in first.items() if not name.endswith("manifest.json")}
    assert manifest["subsets"] == {
        s: {"samples": sum(r["subset"] == s for r, _ in SAMPLES), "shards": n} for s, n in sorted(counts.items())
    }
    assert manifest["licences"] == {"Apache-2.0": 10}
    assert manifest["models"]["generators"][0]["parameters"] == {"steps": 8}
    assert "train-{000000..000001}.tar" in (folder / "README.md").read_text()
    [release] = lakehouse.read("releases").collect()
    assert (release["release"], release["samples"], release["shards"], release["policy"]) == (
        "pan-001",
        10,
        counts,
        "test",
    )
    where = {row["image_id"]: (row["subset"], row["shard"]) for row in lakehouse.read("release_samples").collect()}
    assert where == {r["image_id"]: (r["subset"], shard_of(r["image_id"], counts[r["subset"]])) for r, _ in SAMPLES}

    versions = {name: lakehouse.version(name) for name in TABLES}
    show(spark, SAMPLES[::-1], partitions=3)
    capsys.readouterr()
    export_webdataset.run(made(spark, lakehouse, "run2"))
    assert "pan-001 holds these 10 samples already; nothing to do" in capsys.readouterr().out
    assert ({name: lakehouse.version(name) for name in TABLES}, tree(shards)) == (versions, first)

    assert lies_whole(context)
    (folder / CURATED / "train-000000.tar").unlink()
    assert not lies_whole(context)
    (folder / SQUARE / "train-000001.parquet").write_bytes(b"damaged")
    (folder / "README.md").unlink()
    assert not lies_whole(context)
    export_webdataset.run(made(spark, lakehouse, "run3"))
    assert "curated/train-000000.tar is missing or has another size; writing it again" in capsys.readouterr().out
    assert ({name: lakehouse.version(name) for name in TABLES}, tree(shards)) == (versions, first)

    shutil.rmtree(folder)
    assert not lies_whole(context)
    show(spark, SAMPLES, candidates=99)  # what the manifest would say if it were made today
    export_webdataset.run(made(spark, lakehouse, "run4"))
    assert ({name: lakehouse.version(name) for name in TABLES}, tree(shards)) == (versions, first)

    show(spark, SAMPLES[1:])
    export_webdataset.run(made(spark, lakehouse, "run5"))
    after = tree(shards)
    assert {name: digest for name, digest in after.items() if name.startswith("pan-001/")} == first
    assert after[f"pan-002/{WIDE}/train-000000.tar"] == first[f"pan-001/{WIDE}/train-000000.tar"]
    assert sorted(row["release"] for row in lakehouse.read("releases").collect()) == ["pan-001", "pan-002"]
    assert lakehouse.read("release_samples").where("release = 'pan-002'").count() == 9


@pytest.mark.parametrize("step", ["write_manifest", "_record"])
def test_a_run_that_is_cut_off_is_completed_with_the_same_bytes(
    context: Context,
    shards: Path,
    spark: SparkSession,
    lakehouse: Lakehouse,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    """Cut between the last shard and the manifest, or between the manifest and the rows. Whole shards stay as they are;
    one of three that is not whole is written again."""

    def cut(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(export_webdataset, step, cut)
        with pytest.raises(Killed):
            export_webdataset.run(context)
    before = tree(shards)
    assert ("pan-001/manifest.json" in before) == (step == "_record")
    assert lakehouse.read("releases").count() == 0
    folder = shards / "pan-001"
    (folder / CURATED / ".train-000007.tar.abc.tmp").write_bytes(b"half a shard")
    (folder / WIDE / "train-000000_stats.json").unlink()
    tars = [folder / SQUARE / "train-000000.tar", folder / WIDE / "train-000000.tar"]
    times = [tar.stat().st_mtime_ns for tar in tars]

    export_webdataset.run(made(spark, lakehouse, "run2"))
    after = tree(shards)
    assert before.keys() - after.keys() == {"pan-001/unfinished.json"}
    assert not [*folder.rglob(".*.tmp")]
    assert {name: after[name] for name in before if name in after}.items() <= before.items()
    assert [row["release"] for row in lakehouse.read("releases").collect()] == ["pan-001"]
    assert lakehouse.read("release_samples").count() == 10
    assert [tar.stat().st_mtime_ns > time for tar, time in zip(tars, times, strict=True)] == [False, True]
    if step == "write_manifest":
        assert after.keys() - before.keys() == {"pan-001/manifest.json"}
        manifest = json.loads((folder / "manifest.json").read_text())
        listed = {f"pan-001/{name}": about["sha256"] for name, about in manifest["files"].items()}
        assert listed == {name: digest for name, digest in after.items() if not name.endswith("manifest.json")}


@pytest.mark.slow
def test_unfinished_work_on_another_kept_set_is_written_again(
    context: Context, shards: Path, spark: SparkSession, lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(export_webdataset, "write_manifest", cut)
        with pytest.raises(Killed):
            export_webdataset.run(context)
    (shards / "pan-001" / CURATED / "train-000007.tar").write_bytes(b"of other work")
    other = [(row | {"caption": "said otherwise"}, image) for row, image in SAMPLES]
    show(spark, other)
    export_webdataset.run(made(spark, lakehouse, "run2"))
    urls = [str(path) for path in shards.rglob("*.tar")]
    read = webdataset.WebDataset(urls, shardshuffle=False, empty_check=False)
    assert {sample["txt"] for sample in read} == {b"said otherwise"}


@pytest.mark.slow
def test_a_release_of_another_recipe_is_not_gone_on_with(
    context: Context, spark: SparkSession, lakehouse: Lakehouse
) -> None:
    export_webdataset.run(context)
    other = made(spark, lakehouse, "run2")
    renamed = replace(other, recipe=other.recipe.model_copy(update={"name": "mine"}))
    with pytest.raises(RecipeError, match="belongs to the recipe 'test', this one is 'mine'. Give .* another name"):
        export_webdataset.run(renamed)


@pytest.mark.slow
def test_a_file_that_comes_out_otherwise_is_not_taken_for_the_release_s(
    context: Context, shards: Path, spark: SparkSession, lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_webdataset.run(context)
    (shards / "pan-001" / CURATED / "train-000000_stats.json").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(export_webdataset, "file_sha256", lambda path: "of another version's file, as long")
        for _ in range(2):
            with pytest.raises(JobError, match="train-000000_stats.json was written again, but is not the file"):
                export_webdataset.run(made(spark, lakehouse, "run2"))
    export_webdataset.run(made(spark, lakehouse, "run3"))
    assert lies_whole(context)


def test_a_picture_that_must_not_ship_stops_the_export(spark: SparkSession, lakehouse: Lakehouse, shards: Path) -> None:
    row, image = SAMPLES[0]
    store(lakehouse, [(row, image)])
    show(spark, [(row | {"width": 81}, image)])
    with pytest.raises(JobError, match=rf"{row['image_id']}: the JPEG has 80x48 pixels, its row says 81x48"):
        export_webdataset.run(made(spark, lakehouse, "run1"))
    assert tree(shards).keys() == {"pan-001/unfinished.json"}
    show(spark, [(row | {"image_id": "0" * 31 + "f"}, image)])
    with pytest.raises(JobError, match="1 samples and 0 pictures have this key"):
        export_webdataset.run(made(spark, lakehouse, "run2"))
    assert lakehouse.read("releases").count() == 0


def test_nothing_kept_is_no_release(
    spark: SparkSession, lakehouse: Lakehouse, shards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show(spark, [])
    export_webdataset.run(made(spark, lakehouse, "run1"))
    assert "keeps no picture yet; nothing to do" in capsys.readouterr().out
    assert not shards.exists()


@pytest.mark.parametrize(
    ("samples", "before", "expected"),
    [
        ({"a": 3}, {}, {"a": 1}),
        ({"a": 1499, "b": 1501}, {}, {"a": 1, "b": 2}),
        ({"a": 5200}, {"a": 4}, {"a": 4}),  # 1,300 a shard: as before
        ({"a": 9000}, {"a": 4}, {"a": 9}),  # 2,250 a shard: too many
        ({"a": 1900}, {"a": 4}, {"a": 2}),  # 475 a shard: too few
        ({"a": 30}, {"a": 1}, {"a": 1}),
        ({"b": 2000}, {"a": 4}, {"b": 2}),
    ],
)
def test_the_number_of_shards_stays_while_it_fits(
    samples: dict[str, int], before: dict[str, int], expected: dict[str, int]
) -> None:
    assert shard_counts(samples, 1000, before) == expected


def test_while_decisions_are_stored_other_views_read_them(context: Context) -> None:
    def plan() -> str:
        return str(context.view("keep_rates")._jdf.queryExecution().executedPlan().toString())

    with decisions_stored(context):
        assert "InMemoryTableScan" in plan()
    assert "InMemoryTableScan" not in plan()

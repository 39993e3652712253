"""prompts given -> rows of prompt_duplicates expected, with the real embedder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from conf.recipe import Deduplication, Run
from jobs import deduplicate_prompts
from jobs.endings import JobError
from jobs.launch import Context
from schemas.delta import Lakehouse, with_run
from schemas.tables import TABLES
from tests.recipes import small_recipe
from tests.udfs.test_sentence_layout import tiny as tiny_sentence_model
from udfs.atoms import Atom, atom
from udfs.embedders import DIMENSIONS, SentenceEmbedder, minilm

Prompt = dict[str, Any]


def prompt(
    name: str, text: str, atoms: list[Atom] | None = None, category: str = "snow", style: str = "flat"
) -> Prompt:
    labels = {"task": "none", "category": category, "style": style}
    made = {"template": None, "source": "s", "writer": "w", "status": "ok"}
    return {"prompt_id": name, "text": text, "atoms": atoms} | made | labels


def add(lakehouse: Lakehouse, prompts: list[Prompt], run_id: str, at: str) -> None:
    ddl = ", ".join(f"{c.name} {c.type}" for c in TABLES["prompts"].columns if c.name not in ("run_id", "created_at"))
    frame = with_run(lakehouse.spark.createDataFrame(prompts, ddl), run_id).withColumn(
        "created_at", F.lit(at).cast("timestamp")
    )
    lakehouse.append("prompts", frame)


def compare(
    lakehouse: Lakehouse, run_id: str, wave_seconds: float = 30, retry: str | None = None, **rules: Any
) -> dict[str, tuple[str, str | None]]:
    """Run the job; prompt -> (what stands for it, why), of the whole table."""
    recipe = small_recipe(lakehouse, deduplication=Deduplication(**rules), run=Run(wave_seconds=wave_seconds))
    deduplicate_prompts.run(Context(lakehouse.spark, recipe, lakehouse, run_id, retry=retry))
    rows = lakehouse.read("prompt_duplicates").collect()
    found = {row["prompt_id"]: (row["kept_id"], row["reason"]) for row in rows}
    assert len(found) == len(rows), "a prompt stands there twice"
    assert all(found[kept][0] == kept for kept, _ in found.values()), "the map is flat"
    assert all(abs(np.linalg.norm(row["embedding"]) - 1) < 1e-4 and len(row["embedding"]) == DIMENSIONS for row in rows)
    assert all((row["similarity"] is None) == (row["reason"] is None) for row in rows)
    return found


RED = [atom("object", "fox", "fox"), atom("color", "fox", "red")]
BLUE = [atom("object", "fox", "fox"), atom("color", "fox", "blue")]
FOXES = [
    prompt("a1", "a red fox in the snow", RED),
    prompt("a2", "the red fox stands in the snow", RED[::-1]),
    prompt("a3", "A red fox, in the snow!", None, category="none", style="none"),  # the same words, whatever its labels
    prompt("a4", "a blue fox in the snow", BLUE),
    prompt("a5", "a red fox in the deep snow"),  # no atoms: its words are compared
    prompt("a6", "the red fox is standing in the snow", RED, style="outline"),
    prompt("a7", "a red fox standing in the snow", RED, category="night"),
    prompt("a8", "a bowl of fruit on a table"),
]


def test_rows_in_and_rows_out(lakehouse: Lakehouse, capsys: pytest.CaptureFixture[str]) -> None:
    add(lakehouse, FOXES, "p1", "2026-01-01")
    first = compare(lakehouse, "d1")
    assert first == {
        "a1": ("a1", None),
        "a2": ("a1", "semantic"),
        "a3": ("a1", "exact"),
        "a4": ("a4", None),
        "a5": ("a1", "semantic"),
        "a6": ("a6", None),
        "a7": ("a7", None),
        "a8": ("a8", None),
    }

    rows = {row["prompt_id"]: row for row in lakehouse.read("prompt_duplicates").collect()}
    assert (rows["a3"]["similarity"], rows["a3"]["seconds"]) == (1.0, 0.0), "a copy costs no model time"
    assert rows["a3"]["embedding"] == rows["a1"]["embedding"]
    assert rows["a2"]["similarity"] == pytest.approx(np.dot(rows["a2"]["embedding"], rows["a1"]["embedding"]), abs=1e-5)

    version = lakehouse.version("prompt_duplicates")
    capsys.readouterr()
    compare(lakehouse, "d2")
    assert "prompt_duplicates: nothing to do" in capsys.readouterr().out
    assert lakehouse.version("prompt_duplicates") == version

    # a later run compares the new ones with what is kept, and un-keeps nothing: 00 comes before a1 by its id only
    add(
        lakehouse,
        [
            prompt("00", "one red fox in the snow", RED),
            prompt("01", "The red fox stands in the snow."),  # the words of a2, which is a duplicate itself
            prompt("02", "a bowl of fruit on the table"),
            prompt("03", "a train at a station"),
        ],
        "p2",
        "2026-01-02",
    )
    assert compare(lakehouse, "d3") == first | {
        "00": ("a1", "semantic"),
        "01": ("a1", "semantic"),
        "02": ("a8", "semantic"),
        "03": ("03", None),
    }


@pytest.mark.slow
def test_a_copy_finds_what_stands_for_it_after_the_rules_were_changed(lakehouse: Lakehouse) -> None:
    """b of another category was taken for a; under the guard a and b would not even be compared."""
    a, b = prompt("a", "a red fox in the snow"), prompt("b", "the red fox in the snow", category="night")
    add(lakehouse, [a, b], "p1", "2026-01-01")
    assert compare(lakehouse, "d1", guard=False) == {"a": ("a", None), "b": ("a", "semantic")}
    add(lakehouse, [prompt("c", "The red fox, in the snow", category="night")], "p2", "2026-01-02")
    assert compare(lakehouse, "d2", guard=True)["c"] == ("a", "semantic")


def test_without_the_guard_contrast_pairs_are_duplicates_too(lakehouse: Lakehouse) -> None:
    """The paper's preset: what the guard is for."""
    add(lakehouse, FOXES, "p1", "2026-01-01")
    found = compare(lakehouse, "d1", guard=False)
    assert found["a4"] == ("a1", "semantic")
    assert found["a7"] == ("a1", "semantic")
    assert found["a6"] == ("a1", "semantic"), "the paper compares all"


@pytest.mark.slow
def test_the_answer_does_not_depend_on_where_waves_are_cut(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One prompt a task and wave, and prompts of one run written at different times: still the order of the ids."""
    monkeypatch.setattr("jobs.waves._PROBE_ROWS_A_TASK", 1)
    add(lakehouse, FOXES[4:], "p1", "2026-01-01 00:00:00")
    add(lakehouse, FOXES[:4], "p1b", "2026-01-01 00:00:00")
    whole = {"a1": "a1", "a2": "a1", "a3": "a1", "a4": "a4", "a5": "a1", "a6": "a6", "a7": "a7", "a8": "a8"}
    assert {k: v for k, (v, _) in compare(lakehouse, "d1", wave_seconds=0.001).items()} == whole
    assert lakehouse.version("prompt_embeddings") >= 3
    assert lakehouse.read("prompt_embeddings").count() == len(FOXES) - 1, "a copy is not embedded"


def test_a_run_that_was_killed_after_its_embeddings_makes_none_again(lakehouse: Lakehouse) -> None:
    add(lakehouse, FOXES, "p1", "2026-01-01")
    context = Context(lakehouse.spark, small_recipe(lakehouse), lakehouse, "d1")
    todo = deduplicate_prompts.to_compare(lakehouse.read("prompts"), lakehouse.read("prompt_duplicates"))
    deduplicate_prompts.embed(context, todo, minilm())
    version = lakehouse.version("prompt_embeddings")
    assert compare(lakehouse, "d2")["a2"] == ("a1", "semantic")
    assert lakehouse.version("prompt_embeddings") == version


def test_a_prompt_that_cannot_be_embedded_waits_and_the_others_go_on(
    lakehouse: Lakehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    add(lakehouse, FOXES, "p1", "2026-01-01")
    add(lakehouse, [prompt("a9", "A bowl of fruit, on a table.", style="none")], "p1b", "2026-01-02")  # the words of a8
    row = {"prompt_id": "a8", "model": minilm().model, "status": "error", "error_class": "OutOfMemoryError"}
    lakehouse.append("prompt_embeddings", lakehouse.rows("prompt_embeddings", [row], "d0"))
    others = compare(lakehouse, "d1")
    assert others.keys() == {f"a{number}" for number in range(1, 8)}

    capsys.readouterr()
    assert compare(lakehouse, "d2") == others
    assert "prompt_duplicates: nothing to do" in capsys.readouterr().out
    assert compare(lakehouse, "d3", retry="errors") == others | {"a8": ("a8", None), "a9": ("a8", "exact")}


def test_a_text_whose_vector_is_not_finite_is_an_error_row(lakehouse: Lakehouse, tmp_path: Path) -> None:
    from transformers import BertModel

    folder = tiny_sentence_model(
        tmp_path / "sentences", {"pooling_mode_mean_tokens": True, "word_embedding_dimension": 8}
    )
    model = BertModel.from_pretrained(folder)
    model.embeddings.word_embeddings.weight.data[6] = float("nan")  # the word blue
    model.save_pretrained(folder)
    add(lakehouse, [prompt("a", "a red fox"), prompt("b", "a blue fox")], "p1", "2026-01-01")
    frame = deduplicate_prompts.embedded(lakehouse.read("prompts"), SentenceEmbedder("tiny", str(folder), "1"))
    lakehouse.append("prompt_embeddings", with_run(frame, "d1"))
    rows = lakehouse.read("prompt_embeddings").orderBy("prompt_id").collect()
    assert [(row["status"], row["error_class"], row["embedding"] is None) for row in rows] == [
        ("ok", None, False),
        ("error", "NotFiniteError", True),
    ]


def test_more_prompts_than_every_pair_is_compared_of_are_refused(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deduplicate_prompts, "ALL_PAIRS_AT_MOST", 1)
    add(lakehouse, [FOXES[0], FOXES[7]], "p1", "2026-01-01")
    with pytest.raises(
        JobError, match="deduplication.cells: 1 compares every pair of 2 prompts; .* up to 1. Set it to"
    ):
        compare(lakehouse, "d1", cells=1)


LONG = "it's a word " * 500  # 6,000 characters: what Java's patterns must not need stack for
SAME = [
    ("A red fox, in the snow!", "a red fox in the snow"),
    ("low-poly fox", "low poly fox"),
    ("a fox . . . in snow.", "a fox in snow"),
    ('a sign "Open"', "A sign “Open”."),
    ("a fox's tail and the dogs' ball", "a fox's tail, and the dogs' ball"),
    ("a 9-year-old on route-66 : 5 dogs", "A 9 year old on route 66: 5 dogs."),
    (f"a 'fox {LONG}", f"a fox {LONG}"),
    (f"a fox {'-' * 6000} in snow", "a fox in snow"),
]
OTHER = [
    ("1.5 apples", "1 5 apples"),
    ('a sign "Open"', 'a sign "OPEN"'),
    ("a sign “Open”", "a sign “OPEN”"),
    ("a sign 'Open'", "a sign 'OPEN'"),
    ("a sign ‘Café!’", "a sign ‘Café’"),
    ("SALE 50%", "SALE 50"),
    ("-5 degrees", "5 degrees"),
    ("a clock at 5:30", "a clock at 5-30"),
    ("a clock at 5:30", "a clock at 5 30"),
    ("1/2 cup", "1 2 cup"),
    (f"a sign '{LONG}Fox'", f"a sign '{LONG}fox'"),
    (f"a sign ‘{LONG}It’s’", f"a sign ‘{LONG}it’s’"),
    (f"a sign ‘{'it’s ' * 1500}Fox’", f"a sign ‘{'it’s ' * 1500}fox’"),
]


def test_the_same_words_are_seen_through_capitals_and_punctuation(spark: SparkSession) -> None:
    pairs = spark.createDataFrame(SAME + OTHER, "one string, other string")
    one, other = (F.expr(deduplicate_prompts.SAME_WORDS.replace("text", name)) for name in ("one", "other"))
    assert [row[0] for row in pairs.select(one == other).collect()] == [True] * len(SAME) + [False] * len(OTHER)


def test_embeddings_of_other_weights_are_not_compared(lakehouse: Lakehouse) -> None:
    add(lakehouse, FOXES[:1], "p1", "2026-01-01")
    other = lakehouse.spark.createDataFrame(
        [("x", "x", [1.0] * DIMENSIONS, "all_minilm_l6_v2@000000000000")],
        "prompt_id string, kept_id string, embedding array<float>, model string",
    )
    empty = {name: F.lit(None) for name in ("reason", "similarity", "seconds", "device")}
    lakehouse.append("prompt_duplicates", with_run(other.withColumns(empty), "old"))
    with pytest.raises(
        JobError, match=f"holds embeddings of all_minilm_l6_v2@000000000000, this run adds some of {minilm().model}"
    ):
        compare(lakehouse, "d1")

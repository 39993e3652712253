"""The views that count: funnel, keep_rates, threshold_effects, errors, cost."""

from __future__ import annotations

import pytest

from tests.schemas.world import SPEC, World


@pytest.fixture
def world() -> World:
    """Four prompts of which two are accepted; five pictures of one of them; two photographs."""
    world = World(licences=["CC0-1.0"])
    world.gate("prompt_words", "prompt", minimum=0.4)
    for prompt_id in ("p1", "p2", "short", "copy"):
        world.prompt(prompt_id)
    world.tables["prompt_scores"][2]["prompt_words"] = 0.1
    world.tables["prompt_duplicates"][3]["kept_id"] = "p1"
    world.gate("blur", maximum=0.5)
    world.gate("scene_detector", minimum=0.5)
    world.gate("judge", minimum=0.5)
    for image_id, blur, detector in (
        ("a", 0.1, 0.9),
        ("b", 0.1, 0.8),
        ("c", 0.9, 0.9),
        ("d", 0.9, 0.1),
        ("e", 0.1, 0.1),
    ):
        world.picture(image_id, seconds=2.0)
        world.score(image_id, blur=blur, scene_detector=detector)
    for image_id in ("a", "b"):
        world.answer(image_id, "q", 0.9)
    world.photograph("photo")
    world.photograph("gpl", licence="GPL-2.0")
    return world


def test_the_funnel_reads_top_down(world: World) -> None:
    columns = "kind, step, gate, rows_in, fail, fail_only, rows_out, share"
    assert world.ask(f"select {columns} from funnel order by ordinal") == [
        ("prompt", "written", None, 4, 0, 0, 4, 1),
        ("prompt", "duplicates", None, 4, 1, 1, 3, 3 / 4),
        ("prompt", "screen", None, 3, 0, 0, 3, 1),
        ("prompt", "gate", "prompt_words", 3, 1, 1, 2, 2 / 3),
        ("prompt", "denied", None, 2, 0, 0, 2, 1),
        ("prompt", "accepted", None, 2, 0, 0, 2, 1),
        ("generated", "candidates", None, 5, 0, 0, 5, 1),
        ("generated", "text", None, 5, 0, 0, 5, 1),
        ("generated", "gate", "blur", 5, 2, 1, 3, 3 / 5),
        ("generated", "gate", "scene_detector", 3, 2, 1, 2, 2 / 3),
        ("generated", "gate", "judge", 2, 0, 0, 2, 1),
        ("generated", "denied", None, 2, 0, 0, 2, 1),
        ("generated", "licence", None, 2, 0, 0, 2, 1),
        ("generated", "review", None, 2, 0, 0, 2, 1),
        ("generated", "best of n", None, 2, 1, 1, 1, 1 / 2),
        ("generated", "duplicates", None, 1, 0, 0, 1, 1),
        ("generated", "quota", None, 1, 0, 0, 1, 1),
        ("generated", "kept", None, 1, 0, 0, 1, 1),
        ("photograph", "candidates", None, 2, 0, 0, 2, 1),
        ("photograph", "denied", None, 2, 0, 0, 2, 1),
        ("photograph", "licence", None, 2, 1, 1, 1, 1 / 2),
        ("photograph", "review", None, 1, 0, 0, 1, 1),
        ("photograph", "duplicates", None, 1, 0, 0, 1, 1),
        ("photograph", "quota", None, 1, 0, 0, 1, 1),
        ("photograph", "kept", None, 1, 0, 0, 1, 1),
    ]


def test_an_empty_lakehouse_has_an_empty_funnel() -> None:
    world = World()
    world.gate("blur", maximum=0.5)
    assert world.ask("select * from funnel") == []


def test_keep_rates_count_by_stratum(world: World) -> None:
    world.prompt("snow", category="snow")
    world.picture("f", "snow", category="snow")
    rows = world.ask("select kind, category, candidates, kept, keep_rate from keep_rates order by kind, category")
    assert rows == [
        ("generated", "none", 5, 1, 1 / 5),
        ("generated", "snow", 1, 0, 0),
        ("photograph", "none", 2, 1, 1 / 2),
    ]


def test_threshold_effects_say_what_a_gate_costs_alone(world: World) -> None:
    rows = world.ask(
        "select kind, gate, fail, passing, passing_without, unjudged from threshold_effects order by kind, gate"
    )
    assert rows == [
        ("generated", "blur", 2, 2, 3, 1),
        ("generated", "judge", 0, 2, 2, 0),
        ("generated", "scene_detector", 2, 2, 3, 1),
        ("prompt", "prompt_words", 1, 2, 3, 0),
    ]


def test_errors_are_those_that_nothing_made_good(world: World) -> None:
    failed = {"status": "error", "error_class": "OutOfMemoryError", "error_message": "no room"}
    world.picture("a", **failed, image=None, sha256=None)
    world.picture("broken", **failed, image=None, sha256=None, model="m@1")
    world.add("photos", image_id="broken_photo", **failed)
    world.add("captions", image_id="photo", model="captioner@1", **failed)
    world.add("captions", image_id="photo", model="captioner@2", **failed)
    world.enhanced("p1")
    world.add("enhanced_prompts", prompt_id="p1", model="enhancer@1", **failed)
    world.add("enhanced_prompts", prompt_id="p2", model="enhancer@1", **failed)
    world.add("prompt_embeddings", prompt_id="p1", model="embedder@1")
    world.add("prompt_embeddings", prompt_id="p1", model="embedder@1", **failed)
    world.add("prompt_embeddings", prompt_id="p2", model="embedder@1", **failed)
    world.add("raw_scores", **{"image_id": "a", "pass": "1"})
    world.add("raw_scores", **{"image_id": "a", "pass": "1"}, **failed)
    world.add("raw_scores", **{"image_id": "a", "pass": "2"}, **failed)
    world.answer("a", "q", None)
    world.answer("a", "another q", None)
    rows = world.ask("select table_name, id, model, error_class from errors order by table_name, id")
    assert rows == [
        ("captions", "photo", "captioner@2", "OutOfMemoryError"),
        ("enhanced_prompts", "p2", "enhancer@1", "OutOfMemoryError"),
        ("images", "broken", "m@1", "OutOfMemoryError"),
        ("judgements", "a", "judge@1", None),
        ("photos", "broken_photo", None, "OutOfMemoryError"),
        ("prompt_embeddings", "p2", "embedder@1", "OutOfMemoryError"),
        ("raw_scores", "a", "2", "OutOfMemoryError"),
    ]


def test_cost_counts_the_policys_own_models_errors_included(world: World) -> None:
    for row in (
        *world.tables["judgements"],
        *world.tables["prompt_scores"],
        *world.tables["captions"],
        *world.tables["prompt_duplicates"],
    ):
        row["seconds"] = 0.5
    world.picture("failed", status="error", image=None, sha256=None, seconds=4.0)
    world.picture("of_another_generator", spec_id=f"{SPEC}0", seconds=100.0)
    world.answer("a", "q", 0.5, model="judge@2")
    world.tables["judgements"][-1]["seconds"] = 100.0
    world.add("raw_scores", **{"image_id": "a", "pass": "1"}, seconds=3.0)
    world.enhanced("p1")
    world.tables["enhanced_prompts"][-1]["seconds"] = 1.0
    rows = world.ask("select stage, facts, seconds, seconds_a_kept_picture from cost order by stage")
    assert rows == [
        ("caption", 2, 1.0, 0.5),
        ("deduplicate", 4, 2.0, 1.0),
        ("enhance", 1, 1.0, 0.5),
        ("generate", 6, 14.0, 7.0),
        ("judge", 2, 1.0, 0.5),
        ("score", 1, 3.0, 1.5),
        ("screen", 4, 2.0, 1.0),
    ]

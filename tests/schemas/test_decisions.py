"""image_decisions and what is made of it: which picture is kept, and everything that stands against the others."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from tests.schemas.world import CIRCLE, NOW, RESTRICTED, World

DECISIONS = "select image_id, reject_reasons from image_decisions"


def pictures(world: World, scores: dict[str, float | None], **values: Any) -> None:
    """A picture for each score; the policy ranks by scene_detector."""
    for image_id, score in scores.items():
        world.picture(image_id, **values)
        world.score(image_id, scene_detector=score)


@pytest.fixture
def world() -> World:
    world = World()
    world.prompt("p1", [CIRCLE])
    world.enhanced("p1")
    return world


def test_every_floor_that_applies_is_listed(world: World) -> None:
    world.gate("blur", maximum=0.5)
    world.gate("scene_detector", minimum=0.5)
    world.picture("i1", spec_id=RESTRICTED, licence="FLUX")
    world.score("i1", blur=0.75, scene_detector=0.25)
    world.add("denylist", kind="sha256", value="sha of i1", reason="taken down")
    world.add("reviews", image_id="i1", verdict="reject", reviewer="ann")
    world.tables["prompt_duplicates"][0]["kept_id"] = "p0"
    assert dict(world.ask(DECISIONS)) == {
        "i1": [
            "text: not accepted",
            "blur: 0.75 > 0.5",
            "scene_detector: 0.25 < 0.5",
            "denied: taken down",
            "licence: FLUX",
            "review: rejected by ann",
        ]
    }


def test_a_tightened_prompt_gate_takes_the_pictures_of_the_prompt_along(world: World) -> None:
    pictures(world, {"i1": 0.9})
    assert world.ask("select image_id from training_set") == [("i1",)]
    world.gate("prompt_words", "prompt", minimum=0.9)
    assert dict(world.ask(DECISIONS)) == {"i1": ["text: not accepted"]}


def test_a_person_s_keep_goes_first_among_the_pictures_of_a_prompt_and_among_look_alikes(world: World) -> None:
    for image_id, score, regime in (("better", 0.9, "square"), ("kept", 0.1, "square"), ("like", 0.5, "wide")):
        world.picture(image_id, regime=regime)
        world.score(image_id, scene_detector=score)
        world.add("image_duplicates", image_id=image_id, group_id="alike")
    world.add("reviews", image_id="kept", verdict="keep", reviewer="ann")
    assert dict(world.ask(DECISIONS)) == {
        "better": ["best of n: rank 2 by scene_detector"],
        "kept": [],
        "like": ["duplicate of kept"],
    }


def test_a_person_s_keep_goes_first_in_a_quota(world: World) -> None:
    world.prompt("p2")
    for image_id, prompt_id, score in (("better", "p1", 0.9), ("kept", "p2", 0.1)):
        world.picture(image_id, prompt_id)
        world.score(image_id, scene_detector=score)
    world.add("quotas", policy="p", at_most=1)
    assert dict(world.ask(DECISIONS)) == {"better": [], "kept": ["quota: 1 at most"]}
    world.add("reviews", image_id="kept", verdict="keep", reviewer="ann")
    assert dict(world.ask(DECISIONS)) == {"better": ["quota: 1 at most"], "kept": []}


def test_the_last_verdict_counts_and_keep_overrides_gates_alone(world: World) -> None:
    world.gate("scene_detector", minimum=0.5)
    for place, image_id in enumerate(("kept", "rejected", "denied", "failed")):
        pictures(world, {image_id: 0.1}, regime="square", generator=f"g{place}")
    later = NOW + datetime.timedelta(hours=1)
    for image_id in ("kept", "denied"):
        world.add("reviews", image_id=image_id, verdict="reject", reviewer="ann")
        world.add("reviews", image_id=image_id, verdict="keep", reviewer="bob", created_at=later)
    world.add("reviews", image_id="rejected", verdict="keep", reviewer="ann")
    world.add("reviews", image_id="rejected", verdict="reject", reviewer="ann", created_at=later)
    world.add("denylist", kind="image_id", value="denied", reason="x")
    assert dict(world.ask(DECISIONS)) == {
        "kept": [],
        "rejected": ["scene_detector: 0.1 < 0.5", "review: rejected by ann"],
        "denied": ["denied: x"],
        "failed": ["scene_detector: 0.1 < 0.5"],
    }


def test_best_of_n_ranks_what_passed_the_floors(world: World) -> None:
    world.gate("blur", maximum=0.5)
    pictures(world, {"best": 0.9, "second": 0.8, "third": 0.7})
    for row in world.tables["scores"]:
        row["blur"] = 0.6 if row["image_id"] == "best" else 0.1
    assert dict(world.ask(DECISIONS)) == {
        "best": ["blur: 0.6 > 0.5"],
        "second": [],
        "third": ["best of n: rank 2 by scene_detector"],
    }


def test_best_of_n_is_within_prompt_variant_regime_and_generator(world: World) -> None:
    world.prompt("p2")
    pictures(world, {"a": 0.9})
    pictures(world, {"b": 0.1}, prompt_id="p2")
    pictures(world, {"c": 0.1}, variant="enhanced")
    pictures(world, {"d": 0.1}, regime="random_aspect", width=80, height=48)
    pictures(world, {"e": 0.1}, generator="h")
    world.photograph("f")
    world.photograph("g")
    assert len(world.ask("select * from training_set")) == 7


def test_ties_break_on_image_id_and_a_missing_score_ranks_last() -> None:
    world = World(best_of=2)
    world.prompt("p1")
    pictures(world, {"c": 0.5, "b": 0.5, "a": None})
    assert dict(world.ask("select image_id, best_place from image_decisions")) == {"b": 1, "c": 2, "a": 3}
    assert world.ask("select image_id from training_set order by image_id") == [("b",), ("c",)]


def test_one_picture_of_a_group_of_look_alikes_is_kept_the_best_survivor(world: World) -> None:
    world.gate("scene_detector", maximum=0.95)
    for place, (image_id, score) in enumerate({"a": 0.3, "b": 0.9, "c": 0.99, "d": 0.9, "alone": 0.1}.items()):
        pictures(world, {image_id: score}, generator=f"g{place}")
        world.add("image_duplicates", image_id=image_id, group_id="alone" if image_id == "alone" else "a")
    assert dict(world.ask(DECISIONS)) == {
        "a": ["duplicate of b"],
        "b": [],
        "c": ["scene_detector: 0.99 > 0.95"],
        "d": ["duplicate of b"],
        "alone": [],
    }


def test_a_quota_holds_in_each_stratum_and_the_more_specific_one_wins() -> None:
    world = World()
    world.add("quotas", policy="p", at_most=1)
    world.add("quotas", policy="p", at_most=2, category="snow")
    world.add("quotas", policy="another", at_most=0)
    for category in ("snow", "sand"):
        for n in range(3):
            prompt_id = f"{category}{n}"
            world.prompt(prompt_id, category=category)
            pictures(world, {f"i_{prompt_id}": n / 10}, prompt_id=prompt_id, category=category)
    assert dict(world.ask(DECISIONS)) == {
        "i_snow2": [],
        "i_snow1": [],
        "i_snow0": ["quota: 2 at most"],
        "i_sand2": [],
        "i_sand1": ["quota: 1 at most"],
        "i_sand0": ["quota: 1 at most"],
    }


def test_the_training_set_holds_what_a_sample_says(world: World) -> None:
    pictures(world, {"square": 0.5})
    pictures(world, {"wide": 0.5}, variant="enhanced", regime="random_aspect", width=80, height=48)
    world.photograph("photo", author="ann", source_url="https://example.org/1")
    columns = "image_id, subset, caption, prompt, enhanced_prompt, enhancer, captioner, author, scene_detector"
    assert world.ask(f"select {columns} from training_set order by image_id") == [
        ("photo", "curated", "a lake", "a lake", "a lake, at length", None, "captioner@1", "ann", None),
        (
            "square",
            "synthetic_original_prompt_square_resolution",
            "text of p1",
            "text of p1",
            None,
            None,
            None,
            None,
            0.5,
        ),
        (
            "wide",
            "synthetic_enhanced_prompt_random_resolution",
            "enhanced text of p1",
            "text of p1",
            "enhanced text of p1",
            "enhancer@1",
            None,
            None,
            0.5,
        ),
    ]


def test_rejected_images_are_the_complement(world: World) -> None:
    pictures(world, {"a": 0.9, "b": 0.8})
    assert world.ask("select image_id from training_set") == [("a",)]
    assert world.ask("select image_id, reject_reasons from rejected_images") == [
        ("b", ["best of n: rank 2 by scene_detector"])
    ]

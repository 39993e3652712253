"""The views over pictures, facts first: rows given, rows expected."""

from __future__ import annotations

from typing import Any

import pytest

from conf.scores import SCORES
from schemas.tables import IMAGE_SCORES
from tests.schemas.world import CAPTIONER, CIRCLE, RED, RESTRICTED, SPEC, World

IMAGE_GATES = [name for name, score in SCORES.items() if score.of == "image"]


@pytest.fixture
def world() -> World:
    """One accepted prompt of two atoms."""
    world = World()
    world.prompt("p1", [CIRCLE, RED])
    return world


def test_candidates_are_ok_pictures_of_the_policys_models(world: World) -> None:
    world.enhanced("p1", atoms=[CIRCLE])
    world.picture("original", seconds=2.0)
    world.picture("enhanced", variant="enhanced")
    world.picture("failed", status="error", image=None, sha256=None)
    world.picture("other_spec", spec_id="spec2")
    world.picture("text_of_another_enhancer", variant="enhanced", text="something else")
    world.photograph("photo")
    world.photograph("uncaptioned", caption=None)
    world.photograph("captioned_by_another", model="another@1")
    world.photograph("unreadable", status="error", image=None, sha256=None)
    world.photograph("caption_failed", caption=None)
    world.add("captions", image_id="caption_failed", model=CAPTIONER, status="error")
    rows = world.ask("select image_id, kind, text, len(atoms), long_caption, seconds from candidates order by image_id")
    assert rows == [
        ("enhanced", "generated", "enhanced text of p1", 1, None, None),
        ("original", "generated", "text of p1", 2, None, 2.0),
        ("photo", "photograph", "a lake", None, "a lake, at length", None),
    ]


def test_the_bytes_are_the_last_column() -> None:
    assert World().in_duckdb().sql("select * from candidates").columns[-1] == "image"


def test_the_judge_is_a_geometric_mean_and_a_zero_is_a_zero(world: World) -> None:
    for image_id, answers in {"good": (0.9, 0.4), "zero": (0.9, 0.0)}.items():
        for question, answer in enumerate(answers):
            world.answer(image_id, f"q{question}", answer)
    rows = world.ask("select image_id, judge, judge_weakest, answers, errors from judge_scores order by image_id")
    assert rows == [("good", 0.6, 0.4, 2, 0), ("zero", 0.0, 0.0, 2, 0)]


def test_a_question_that_failed_and_was_answered_later_counts_once(world: World) -> None:
    for answer in (None, 0.4):
        world.answer("retried", "q0", answer)
        world.answer("failed", "q0", None)
    world.answer("retried", "q1", 0.9)
    world.answer("failed", "q1", 0.9)
    rows = world.ask("select image_id, judge, judge_weakest, answers, errors from judge_scores order by image_id")
    assert rows == [("failed", None, None, 1, 1), ("retried", 0.6, 0.4, 2, 0)]


def test_a_judge_score_counts_once_every_atom_has_its_answer(world: World) -> None:
    world.picture("whole")
    world.picture("half")
    world.picture("of_another_judge")
    world.photograph("photo")
    world.answer("whole", "q0", 0.9)
    world.answer("whole", "q1", 0.4)
    world.answer("half", "q0", 0.9)
    world.answer("photo", "the whole text", 0.7)
    world.answer("of_another_judge", "q0", 0.9, model="judge@2")
    world.answer("of_another_judge", "q1", 0.9, model="judge@2")
    rows = world.ask("select image_id, judge, judge_weakest from image_facts order by image_id")
    assert rows == [("half", None, None), ("of_another_judge", None, None), ("photo", 0.7, 0.7), ("whole", 0.6, 0.4)]


def test_facts_say_whether_a_licence_allows_training() -> None:
    world = World(licences=["CC0-1.0"])
    world.prompt("p1")
    world.picture("free")
    world.picture("restricted", spec_id=RESTRICTED)
    world.photograph("cc0")
    world.photograph("gpl", licence="GPL-2.0")
    world.photograph("unknown", licence=None)
    allowed = dict(world.ask("select image_id, licence_allowed from image_facts"))
    assert allowed == {"free": True, "restricted": False, "cc0": True, "gpl": False, "unknown": False}


def test_without_a_list_every_licence_of_a_photograph_is_allowed(world: World) -> None:
    world.photograph("unknown", licence=None)
    assert world.ask("select licence_allowed from image_facts") == [(True,)]


def test_facts_name_what_is_denied_by_id_file_or_prompt(world: World) -> None:
    world.prompt("p2")
    for image_id in ("by_id", "by_file", "fine"):
        world.picture(image_id)
    world.picture("by_prompt", "p2")
    world.add("denylist", kind="image_id", value="by_id", reason="id")
    world.add("denylist", kind="sha256", value="sha of by_file", reason="file")
    world.add("denylist", kind="prompt_id", value="p2", reason="prompt")
    world.add("denylist", kind="sha256", value="sha of by_file", reason="file, again")
    world.photograph("source", source_sha256="0ab1")
    world.add("denylist", kind="sha256", value="0AB1", reason="the file that it was read from")
    rows = world.ask("select image_id, denied, denied_reason from image_facts order by image_id")
    assert rows == [
        ("by_file", True, "file"),
        ("by_id", True, "id"),
        ("by_prompt", True, "prompt"),
        ("fine", False, None),
        ("source", True, "the file that it was read from"),
    ]


def test_every_score_of_a_picture_can_be_cut_on_in_the_order_of_the_scores() -> None:
    assert [column.name for column in IMAGE_SCORES] == IMAGE_GATES[:-2]
    world = World()
    world.prompt("p1", [CIRCLE])
    world.picture("i1")
    values: dict[str, Any] = {column.name: (i + 1) / 100 for i, column in enumerate(IMAGE_SCORES)}
    world.score("i1", **values)
    world.answer("i1", "q", 0.25)
    for name in reversed(IMAGE_GATES):
        world.gate(name, minimum=0.5)
    expected = values | {"judge": 0.25, "judge_weakest": 0.25}
    assert dict(world.ask("select gate, value from image_gates")) == expected
    assert world.ask("select gate_reasons from image_decisions") == [
        ([f"{n}: {v:g} < 0.5" for n, v in expected.items()],)
    ]


@pytest.mark.parametrize("score", IMAGE_GATES)
def test_pictures_can_be_ranked_by_every_score(score: str) -> None:
    world = World(best_by=score)
    world.prompt("p1", [CIRCLE])
    world.picture("i1")
    values: dict[str, Any] = {column.name: 0.5 if column.name == score else 0.1 for column in IMAGE_SCORES}
    world.score("i1", **values)
    world.answer("i1", "q", 0.5)
    assert world.ask("select rank_score from image_checks") == [(0.5,)]


def test_the_threshold_with_more_labels_wins_then_task_before_category_before_style() -> None:
    world = World()
    labels: dict[str, Any] = {"task": "colors", "category": "snow", "style": "flat"}
    world.prompt("p1", **labels)
    world.picture("i1", **labels)
    order = [
        (),
        ("style",),
        ("category",),
        ("task",),
        ("category", "style"),
        ("task", "style"),
        ("task", "category"),
        tuple(labels),
    ]
    for place, names in enumerate(order):
        world.gate("blur", maximum=place / 10, **{name: labels[name] for name in names})
        world.gate("blur", maximum=1, task="counting", **{name: labels[name] for name in names if name != "task"})
        assert world.ask("select maximum from image_gates") == [(place / 10,)], names


def test_a_gate_cuts_its_own_kind_only(world: World) -> None:
    world.gate("blur", "photograph", maximum=0.1)
    world.picture("i1")
    world.photograph("photo")
    for image_id in ("i1", "photo"):
        world.score(image_id, blur=0.5)
    assert world.ask("select image_id, reason from image_gates") == [("photo", "blur: 0.5 > 0.1")]


def test_a_reason_never_shows_a_number_equal_to_the_limit_that_it_crossed(world: World) -> None:
    """Four decimals, a tie rounded up; nine where four show no difference."""
    world.gate("border", maximum=0.05)
    world.gate("entropy", minimum=2)
    numbers = {"more": (0.05004, 2.0), "less": (0.05, 1.99996), "far": (1.23455, 0.00001), "equal": (0.05, 2.0)}
    for image_id, (border, entropy) in numbers.items():
        world.picture(image_id)
        world.score(image_id, border=border, entropy=entropy)
    assert dict(world.ask("select image_id, reject_reasons from rejected_images")) == {
        "more": ["border: 0.05004 > 0.05"],
        "less": ["entropy: 1.99996 < 2"],
        "far": ["border: 1.2346 > 0.05", "entropy: 0 < 2"],
    }
    assert world.ask("select image_id from image_decisions where len(gate_reasons) = 0") == [("equal",)]


def test_a_missing_score_rejects_and_says_why(world: World) -> None:
    world.gate("scene_detector", minimum=0.3)
    world.picture("foreign")
    world.score("foreign", {"scene_detector": "not of its world"})
    world.picture("unscored")
    rows = world.ask("select image_id, passed, reason from image_gates order by image_id")
    assert rows == [
        ("foreign", False, "scene_detector: missing (not of its world)"),
        ("unscored", False, "scene_detector: missing"),
    ]


def test_the_judge_is_missed_only_where_nothing_cheaper_failed(world: World) -> None:
    world.gate("blur", maximum=0.5)
    world.gate("judge", minimum=0.5)
    for image_id, blur in (("blurred", 0.9), ("half_judged", 0.1), ("sharp", 0.1), ("weak", 0.1)):
        world.picture(image_id)
        world.score(image_id, blur=blur)
    world.answer("half_judged", "q0", 0.9)
    for question in ("q0", "q1"):
        world.answer("weak", question, 0.2)
    assert dict(world.ask("select image_id, reject_reasons from image_decisions")) == {
        "blurred": ["blur: 0.9 > 0.5"],
        "half_judged": ["judge: missing (1 of 2 questions answered)"],
        "sharp": ["judge: not judged yet"],
        "weak": ["judge: 0.2 < 0.5"],
    }
    assert world.ask("select passed from image_gates where image_id = 'blurred' and gate = 'judge'") == [(None,)]


def test_the_judge_sees_what_passed_everything_cheaper() -> None:
    world = World(licences=["CC0-1.0"])
    world.prompt("p1", [CIRCLE])
    world.prompt("rejected")
    world.tables["prompt_duplicates"][1]["kept_id"] = "p1"
    world.gate("blur", maximum=0.5)
    world.gate("judge", minimum=0.5)
    world.gate("judge_weakest", minimum=0.5)
    for image_id in ("sharp", "judged", "blurred", "denied", "restricted"):
        world.picture(image_id, spec_id=RESTRICTED if image_id == "restricted" else SPEC)
        world.score(image_id, blur=0.9 if image_id == "blurred" else 0.1)
    world.picture("of_a_rejected_prompt", "rejected")
    world.score("of_a_rejected_prompt", blur=0.1)
    world.answer("judged", "q0", 0.1)
    world.add("denylist", kind="image_id", value="denied", reason="x")
    world.photograph("no_gate_of_the_judge")
    rows = world.ask("select image_id, text, atoms[1].value from judge_candidates order by image_id")
    assert rows == [
        ("judged", "text of p1", "circle"),
        ("sharp", "text of p1", "circle"),
    ]

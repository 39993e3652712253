"""What holds whatever the scores and thresholds are."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.schemas.world import World

QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
score = st.none() | st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
limit = st.sampled_from([0.25, 0.5, 0.75])
label = st.none() | st.sampled_from(["colors", "counting"])
picture = st.fixed_dictionaries(
    {
        "task": st.sampled_from(["colors", "counting"]),
        "scores": st.fixed_dictionaries({"blur": score, "scene_detector": score}),
        "group": st.integers(0, 3),
        "variant": st.sampled_from(["original", "enhanced"]),
        "ok": st.booleans(),
        "verdict": st.sampled_from([None, None, "keep", "reject"]),
    }
)
gates = st.lists(
    st.tuples(st.sampled_from(["blur", "scene_detector"]), limit, label),
    max_size=4,
    unique_by=lambda gate: (gate[0], gate[2]),
)
quotas = st.lists(st.tuples(st.integers(0, 3), label), max_size=2, unique_by=lambda quota: quota[1])


def world_of(pictures: list[dict[str, Any]], thresholds: list[Any], limits: list[Any]) -> World:
    world = World()
    for task in ("colors", "counting"):
        world.prompt(task, task=task)
        world.enhanced(task)
    for n, picture in enumerate(pictures):
        image_id, task = f"i{n}", picture["task"]
        status = {} if picture["ok"] else {"status": "error", "image": None, "sha256": None}
        world.picture(image_id, task, task=task, variant=picture["variant"], candidate=n, **status)
        world.score(image_id, labels={"task": task}, **picture["scores"])
        world.add("image_duplicates", image_id=image_id, group_id=f"g{picture['group']}")
        if picture["verdict"]:
            world.add("reviews", image_id=image_id, verdict=picture["verdict"], reviewer="ann")
    for gate, value, task in thresholds:
        world.gate(gate, minimum=value, **({"task": task} if task else {}))
    for at_most, task in limits:
        world.add("quotas", policy="p", at_most=at_most, task=task)
    return world


@QUICK
@given(st.lists(picture, max_size=8), gates, quotas)
def test_every_ok_picture_is_either_kept_or_rejected_with_a_reason(pictures: Any, thresholds: Any, limits: Any) -> None:
    connection = world_of(pictures, thresholds, limits).in_duckdb()
    kept = [row[0] for row in connection.execute("select image_id from training_set").fetchall()]
    rejected = dict(connection.execute("select image_id, reject_reasons from rejected_images").fetchall())
    assert sorted([*kept, *rejected]) == sorted(f"i{n}" for n, p in enumerate(pictures) if p["ok"])
    assert all(rejected.values())
    funnel = connection.execute(
        "select rows_in, rows_out from funnel where kind = 'generated' order by ordinal"
    ).fetchall()
    assert not funnel or (funnel[0][0], funnel[-1][1]) == (len(kept) + len(rejected), len(kept))
    assert all(before[1] == after[0] for before, after in itertools.pairwise(funnel))


@QUICK
@given(st.lists(picture, max_size=8), gates)
def test_a_missing_gated_score_rejects_unless_a_person_keeps_it(pictures: Any, thresholds: Any) -> None:
    connection = world_of(pictures, thresholds, []).in_duckdb()
    passing = {
        row[0] for row in connection.execute("select image_id from image_decisions where passes_floors").fetchall()
    }
    for n, p in enumerate(pictures):
        gated = {gate for gate, _, task in thresholds if task in (None, p["task"])}
        if any(p["scores"][gate] is None for gate in gated) and p["verdict"] != "keep":
            assert f"i{n}" not in passing


@QUICK
@given(st.lists(st.tuples(label, label, label, limit), max_size=8, unique_by=lambda row: row[:3]))
def test_the_most_specific_threshold_wins(rows: list[tuple[str | None, str | None, str | None, float]]) -> None:
    world = World()
    labels: dict[str, Any] = {"task": "colors", "category": "colors", "style": "colors"}
    world.prompt("p1", **labels)
    world.picture("i1", **labels)
    for *own, value in rows:
        named: dict[str, Any] = {axis: name for axis, name in zip(labels, own, strict=True) if name}
        world.gate("blur", maximum=value, **named)
    matching = [row for row in rows if all(name in (None, "colors") for name in row[:3])]
    best = max(matching, key=lambda row: (sum(map(bool, row[:3])), *map(bool, row[:3])), default=None)
    assert world.ask("select maximum from image_gates") == ([] if best is None else [(best[3],)])

"""The views over prompts: rows given, rows expected."""

from __future__ import annotations

import datetime
from typing import Any

from conf.scores import SCORES
from schemas.tables import PROMPT_SCORES
from tests.schemas.world import CIRCLE, NOW, RED, World


def test_a_prompt_is_accepted_when_nothing_stands_against_it() -> None:
    world = World()
    world.prompt("p1")
    assert world.ask("select policy, prompt_id, text from accepted_prompts") == [("p", "p1", "text of p1")]
    assert world.ask("select * from rejected_prompts") == []


def test_every_reason_against_a_prompt_is_listed() -> None:
    world = World()
    world.gate("prompt_words", "prompt", minimum=5, maximum=150)
    world.gate("prompt_language", "prompt", minimum=0.5)
    world.gate("prompt_attributes", "prompt", maximum=1)
    for prompt_id in ("copy", "denied", "new", "short", "unscreened"):
        world.add("prompts", prompt_id=prompt_id)
    for prompt_id in ("denied", "short", "unscreened"):
        world.add("prompt_duplicates", prompt_id=prompt_id, kept_id=prompt_id)
    world.add("prompt_duplicates", prompt_id="copy", kept_id="short", reason="exact")
    world.add("prompt_scores", prompt_id="denied", prompt_words=5.0, prompt_language=0.9, prompt_attributes=1.0)
    world.add("prompt_scores", prompt_id="short", prompt_words=3.0, prompt_attributes=1.25)
    world.add("denylist", kind="prompt_id", value="denied", reason="a name")
    world.add("denylist", kind="image_id", value="short", reason="another kind of id")
    assert dict(world.ask("select prompt_id, reject_reasons from rejected_prompts")) == {
        "copy": ["duplicate of short"],
        "denied": ["denied: a name"],
        "new": ["not compared yet"],
        "short": ["prompt_words: 3 < 5", "prompt_language: missing", "prompt_attributes: 1.25 > 1"],
        "unscreened": ["not screened yet"],
    }
    assert world.ask("select * from accepted_prompts") == []


def test_every_screen_can_be_cut_on_and_reasons_come_in_the_order_of_the_scores() -> None:
    names = [column.name for column in PROMPT_SCORES]
    assert names == [name for name, score in SCORES.items() if score.of == "prompt"]
    values: dict[str, Any] = {name: (i + 1) / 100 for i, name in enumerate(names)}
    world = World()
    for name in reversed(names):
        world.gate(name, "prompt", maximum=0)
    world.prompt("p1")
    world.tables["prompt_scores"][0] |= values
    world.enhanced("p1", **{name: value + 0.5 for name, value in values.items()})
    assert dict(world.ask("select gate, value from prompt_gates where variant = 'original'")) == values
    assert world.ask("select reject_reasons from rejected_prompts") == [
        ([f"{n}: {v:g} > 0" for n, v in values.items()],)
    ]
    assert dict(world.ask("select gate, value - 0.5 from prompt_gates where variant = 'enhanced'")) == {
        name: value + 0.5 - 0.5 for name, value in values.items()
    }


def test_prompt_gates_say_what_was_compared() -> None:
    world = World()
    world.gate("prompt_words", "prompt", minimum=5, maximum=9)
    for prompt_id, words in (("low", 4.0), ("least", 5.0), ("most", 9.0), ("high", 10.0)):
        world.prompt(prompt_id)
        world.tables["prompt_scores"][-1]["prompt_words"] = words
    assert sorted(world.ask("select prompt_id, gate, value, minimum, maximum, passed, reason from prompt_gates")) == [
        ("high", "prompt_words", 10.0, 5.0, 9.0, False, "prompt_words: 10 > 9"),
        ("least", "prompt_words", 5.0, 5.0, 9.0, True, None),
        ("low", "prompt_words", 4.0, 5.0, 9.0, False, "prompt_words: 4 < 5"),
        ("most", "prompt_words", 9.0, 5.0, 9.0, True, None),
    ]


def test_a_reason_never_shows_a_number_equal_to_the_limit_that_it_crossed() -> None:
    world = World()
    world.gate("prompt_language", "prompt", minimum=0.7, maximum=0.9)
    for prompt_id, language in (("near", 0.699999), ("over", 0.90001), ("far", 0.123456), ("equal", 0.7)):
        world.prompt(prompt_id)
        world.tables["prompt_scores"][-1]["prompt_language"] = language
    assert dict(world.ask("select prompt_id, reject_reasons from rejected_prompts")) == {
        "near": ["prompt_language: 0.699999 < 0.7"],
        "over": ["prompt_language: 0.90001 > 0.9"],
        "far": ["prompt_language: 0.1235 < 0.7"],
    }


def test_both_texts_may_be_rendered_each_by_its_own_gates() -> None:
    world = World()
    world.gate("prompt_words", "prompt", maximum=0.7)
    for prompt_id in ("both", "original_only", "neither"):
        world.prompt(prompt_id, [CIRCLE])
    world.enhanced("both", atoms=[CIRCLE, RED])
    world.enhanced("original_only", prompt_words=0.9)
    world.enhanced("neither")
    world.tables["prompt_scores"][2]["prompt_words"] = 0.8
    texts = world.ask("select prompt_id, variant, text, len(atoms) from accepted_texts order by prompt_id, variant")
    assert texts == [
        ("both", "enhanced", "enhanced text of both", 2),
        ("both", "original", "text of both", 1),
        ("original_only", "original", "text of original_only", 1),
    ]


def test_only_the_policys_enhancer_counts_and_a_failed_text_is_no_text() -> None:
    world = World()
    world.prompt("p1")
    world.enhanced("p1", model="another@1")
    world.add("enhanced_prompts", prompt_id="p1", model="enhancer@1", status="error", error_class="ValueError")
    assert world.ask("select variant from accepted_texts") == [("original",)]
    world.enhanced("p1")
    assert world.ask("select variant from accepted_texts order by variant") == [("enhanced",), ("original",)]


def test_of_a_text_that_was_screened_again_the_newest_screens_count() -> None:
    world = World()
    world.gate("prompt_words", "prompt", maximum=0.7)
    world.prompt("p1")
    world.enhanced("p1", prompt_words=0.9)
    world.picture("i1", variant="enhanced")
    later = NOW + datetime.timedelta(hours=1)
    assert world.ask("select variant from accepted_texts") == [("original",)]
    world.enhanced("p1", prompt_words=0.5, created_at=later)
    assert world.ask("select variant, text from accepted_texts where variant = 'enhanced'") == [
        ("enhanced", "enhanced text of p1")
    ]
    assert world.ask("select image_id from candidates") == [("i1",)]


def test_a_denied_prompt_takes_its_enhanced_text_with_it() -> None:
    world = World()
    world.prompt("p1")
    world.enhanced("p1")
    world.add("denylist", kind="prompt_id", value="p1", reason="a name")
    assert world.ask("select * from accepted_texts") == []


def test_two_policies_decide_apart() -> None:
    world = World()
    world.add("policies", policy="strict", best_by="judge", best_of=1, enhancer="enhancer@1")
    world.add("thresholds", policy="strict", gate="prompt_words", kind="prompt", minimum=0.9)
    world.prompt("p1")
    assert world.ask("select policy from accepted_prompts") == [("p",)]
    assert world.ask("select policy, reject_reasons from rejected_prompts") == [("strict", ["prompt_words: 0.5 < 0.9"])]

"""Policies: a threshold that cannot mean what it says is refused with what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from conf.loading import CONF, RecipeError
from conf.policy import Policy, Threshold, load_policy
from conf.scores import SCORES
from conf.taxonomy import load_taxonomy

SCENES = load_taxonomy("scenes")
GATE = {"gate": "judge", "kind": "generated", "minimum": 0.5}


def load(tmp_path: Path, *thresholds: dict[str, Any], **parts: Any) -> Policy:
    data = {"name": "mine", "best": {"by": "judge"}, "thresholds": list(thresholds or (GATE,))} | parts
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return load_policy(str(path), SCENES)


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "policies").glob("*.yaml")))
def test_every_policy_that_ships_fits_its_taxonomy(name: str) -> None:
    taxonomy = load_taxonomy("fine_t2i" if name.startswith("fine_t2i") else "scenes")
    assert load_policy(name, taxonomy).name == name


def test_a_label_may_be_named_or_left_out(tmp_path: Path) -> None:
    policy = load(tmp_path, GATE, GATE | {"style": "outline", "minimum": 0.4}, GATE | {"style": "none", "minimum": 0.3})
    assert [threshold.style for threshold in policy.thresholds] == [None, "outline", "none"]
    assert policy.scores() == {"judge"}


BAD = [
    ({"gate": "clip"}, r"mine.yaml: thresholds.0: gate: 'clip' is not known. Allowed: .*clip_scenes_similarity"),
    ({"gate": "judge_weakst"}, r"Did you mean 'judge_weakest'\?"),
    ({"minimum": 1.5}, r"gate judge: minimum 1.5 lies outside the score's range 0 to 1 .*; give a value inside it"),
    ({"gate": "aesthetic_laion_v2", "minimum": -1}, "minimum -1.0 lies outside the score's range 0 to 12"),
    ({"minimum": None}, "gate judge has neither a minimum nor a maximum; give one"),
    ({"minimum": 0.8, "maximum": 0.2}, "gate judge: minimum 0.8 is above maximum 0.2: nothing could pass"),
    ({"kind": "prompt"}, "gate judge is no score of a prompt; allowed: prompt_words"),
    ({"gate": "prompt_words"}, "gate prompt_words is no score of a generated; allowed: blur"),
    ({"kind": "photo"}, r"thresholds.0.kind: .*'prompt', 'generated' or 'photograph'"),
    ({"style": "round"}, r"thresholds.style: 'round' is not known. Allowed: flat, none, outline. .*Use a slug of"),
    ({"task": "color"}, r"thresholds.task: 'color' is not known.* Did you mean 'colors'\?"),
    ({"category": "sea"}, "thresholds.category: 'sea' is not known. Allowed: night, none, sand, snow"),
    ({"stile": "flat"}, r"thresholds.0.stile: this key is not known.* Did you mean 'style'\?"),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "message"), BAD, ids=[str(parts) for parts, _ in BAD])
def test_a_mistake_is_one_sentence(tmp_path: Path, parts: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load(tmp_path, {key: value for key, value in (GATE | parts).items() if value is not None})


def test_a_gate_stands_once_for_each_combination_of_labels(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="stands there twice; each combination of labels may stand once"):
        load(tmp_path, GATE, GATE | {"minimum": 0.4})
    quota = {"at_most": 3, "style": "flat"}
    with pytest.raises(RecipeError, match="quota .* stands there twice"):
        load(tmp_path, quotas=[quota, quota | {"at_most": 4}])


def test_a_quota_of_an_unknown_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"quotas.style: 'round' is not known"):
        load(tmp_path, quotas=[{"at_most": 3, "style": "round"}])
    with pytest.raises(RecipeError, match=r"quotas.0.at_most: .*greater than or equal to 0"):
        load(tmp_path, quotas=[{"at_most": -1}])


def test_pictures_are_ranked_by_a_score_of_which_more_is_better(tmp_path: Path) -> None:
    for by in ("blur", "prompt_words", "beauty"):
        with pytest.raises(RecipeError, match=f"mine.yaml: best: by: '{by}' is not known. .*Rank by an image score"):
            load(tmp_path, best={"by": by})


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    one = load(tmp_path)
    assert one.digest() == load(tmp_path).digest()
    assert one.digest() != load(tmp_path, GATE | {"minimum": 0.51}).digest()


@given(st.sampled_from(sorted(SCORES)), st.floats(-1000, 200_000), st.sampled_from(["minimum", "maximum"]))
def test_a_threshold_is_taken_if_and_only_if_it_lies_in_the_scores_range(gate: str, value: float, end: str) -> None:
    score = SCORES[gate]
    fields: dict[str, Any] = {"gate": gate, "kind": "prompt" if score.of == "prompt" else "generated", end: value}
    if score.low <= value <= score.high:
        assert getattr(Threshold(**fields), end) == value
    else:
        with pytest.raises(ValueError, match="lies outside the score's range"):
            Threshold(**fields)

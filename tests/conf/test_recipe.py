"""The recipe: what the embedded ones say, and one sentence for every mistake."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from conf.loading import CONF, RecipeError
from conf.recipe import Generation, Regime, dimensions, load_recipe

DEMO: dict[str, Any] = yaml.safe_load((CONF / "demo.yaml").read_text(encoding="utf-8"))


def changed(**parts: Any) -> dict[str, Any]:
    """demo.yaml with other values; a key with dots reaches inside; None takes the key away."""
    data = copy.deepcopy(DEMO)
    for key, value in parts.items():
        *path, last = key.split("__")
        inner: Any = data
        for name in path:
            inner = inner[int(name) if name.isdigit() else name]
        if value is None:
            del inner[last]
        else:
            inner[last] = value
    return data


def load(tmp_path: Path, data: dict[str, Any]) -> Any:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return load_recipe(path)


@pytest.mark.parametrize("name", sorted(path.name for path in CONF.glob("*.yaml")))
def test_every_recipe_that_ships_can_be_loaded(name: str) -> None:
    recipe = load_recipe(CONF / name)
    assert recipe.labels.name == recipe.taxonomy
    assert recipe.gates.name == recipe.policy
    assert recipe.path == CONF / name


def test_fine_t2i_uses_no_generator_whose_output_may_not_train_and_pins_every_model() -> None:
    recipe = load_recipe(CONF / "fine_t2i.yaml")
    assert all(generator.output_may_train for generator in recipe.generation.generators)
    revisions = [generator.revision for generator in recipe.generation.generators] + [recipe.judge.revision]
    revisions += [scorer.revision for scorer in recipe.scorers if scorer.model]
    assert not {None, "main"} & set(revisions)


@pytest.mark.parametrize(
    ("entry", "rules"),
    [
        ({}, (0.8, True, 128)),
        ({"preset": "fine_t2i"}, (0.8, False, 128)),
        ({"preset": "fine_t2i_every_pair"}, (0.8, False, 1)),
        ({"preset": "fine_t2i_every_pair", "similarity": 0.9, "guard": True}, (0.9, True, 1)),
    ],
)
def test_a_preset_says_what_its_entry_leaves_out(
    tmp_path: Path, entry: dict[str, Any], rules: tuple[float, bool, int]
) -> None:
    found = load(tmp_path, changed(deduplication=entry)).deduplication
    assert (found.similarity, found.guard, found.cells) == rules


def test_fine_t2i_writes_as_the_paper_does_and_its_enhancer_is_another_entry() -> None:
    recipe = load_recipe(CONF / "fine_t2i.yaml")
    sampling = {entry.name: (entry.kind, entry.temperature, entry.top_p) for entry in recipe.language_models}
    assert sampling == {
        "llama_3_1_8b": ("openai", 1.4, 0.8),
        "llama_3_1_8b_in_process": ("transformers", 1.4, 0.8),
        "llama_3_1_8b_enhancer": ("openai", 0.7, 1.0),
    }
    assert (recipe.deduplication.similarity, recipe.deduplication.guard) == (0.8, True)


def test_a_recipe_is_frozen(tmp_path: Path) -> None:
    recipe = load(tmp_path, DEMO)
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 2


BAD = [
    ({"sede": 1}, r"sede: this key is not known. Allowed: .*seed.* Did you mean 'seed'\? Rename or remove it"),
    ({"generation__generators__0__stepps": 8}, r"generation.generators.0.stepps: this key is not known.*'steps'"),
    ({"policy": None}, "policy: this key is missing. Add it"),
    ({"seed": -1}, r"seed: .*greater than or equal to 0.*found -1"),
    ({"seed": "one"}, r"seed: .*integer.*found 'one'"),
    ({"name": "My Demo"}, "'My Demo' is no slug: lower-case letters, digits and single underscores are allowed"),
    ({"taxonomy": "scense"}, r"'scense' is not known. Allowed: fine_t2i, scenes. Did you mean 'scenes'\?"),
    ({"policy": "dmo"}, r"'dmo' is not known. Allowed: demo, fine_t2i. Did you mean 'demo'\?"),
    ({"taxonomy": "gone.yaml"}, "gone.yaml: there is no such file"),
    ({"scorers": [{"name": "clip_scences"}]}, r"recipe.yaml: scorers.0: scorer: 'clip_scences' is not known. Allowed: .*clip_scenes.*Did you mean"),
    ({"scorers": []}, "scorers: .*at least 1"),
    ({"scorers": [{"name": "technical"}]},
     "policy: demo needs the score clip_scenes_similarity, which no scorer .* Add the scorer clip_scenes"),
    ({"prompts__written": 0, "prompts__files": []}, "prompts: nothing is written and no file is brought"),
    ({"prompts__written": -5}, r"prompts.written: .*greater than or equal to 0"),
    ({"deduplication__similarity": 1.5}, r"deduplication.similarity: .*less than or equal to 1.*found 1.5"),
    ({"deduplication__similarity": 0}, r"deduplication.similarity: .*greater than 0"),
    ({"deduplication__cells": 0}, r"deduplication.cells: .*greater than or equal to 1"),
    ({"deduplication": {"preset": "fine_t2i_every"}},
     r"deduplication: preset: 'fine_t2i_every' is not known. Allowed: fine_t2i, fine_t2i_every_pair. Did you mean 'fine_t2i_every_pair'\?"),
    ({"generation__generators": []}, r"generation.generators: .*at least 1"),
    ({"generation__generators__0__dtype": "float64"}, r"generators.0.dtype: .*'float32', 'float16' or 'bfloat16'"),
    ({"generation__generators__0__guidance_argument": "cfg"}, r"guidance_argument: .*'guidance_scale'"),
    ({"generation__regimes": {}}, "regimes is empty; allowed keys: square, random_aspect"),
    ({"generation__regimes": {"round": ["64x64"]}}, r"regimes.round.*: .*'square' or 'random_aspect'"),
    ({"generation__regimes": {"square": []}}, "regimes.square is empty; list at least one size"),
    ({"generation__regimes": {"square": ["64"]}}, "'64' is no size; write WIDTHxHEIGHT in pixels"),
    ({"generation__regimes": {"square": ["0x64"]}}, "'0x64' is no size"),
    ({"generation__regimes": {"square": ["80x48"]}}, "80x48 does not belong there; square sizes go under square"),
    ({"generation__regimes": {"random_aspect": ["64x64"]}}, "64x64 does not belong there"),
    ({"generation__regimes": {"square": ["72x72"]}},
     "scenes_diffusion cannot make 72x72; allowed are .* a multiple of 16 and at most 80 px"),
    ({"generation__regimes": {"random_aspect": ["96x48"]}}, "cannot make 96x48; allowed are"),
    ({"generation__generators__0__guidance_argument": "true_cfg_scale", "generation__generators__0__guidance": 4.0},
     "generator scenes_diffusion: true_cfg_scale above 1 needs negative_prompt; .* Set negative_prompt"),
    ({"generation__candidates": 0}, r"generation.candidates: .*greater than or equal to 1"),
    ({"generation__quality": 101}, r"generation.quality: .*less than or equal to 100"),
    ({"screen": {"judges": {"qwen3": "guard"}}}, r"screen.judges.qwen3.*: .*'qwen3_guard', 'llama_guard_3' or 'attributes_judge'"),
    ({"screen": {"judges": {"qwen3_guard": "guard"}}}, "recipe.yaml: screen.judges.qwen3_guard: language_models: 'guard' is not known"),
    ({"enhancement": {"language_model": "writer"}},
     "recipe.yaml: enhancement.language_model: language_models: 'writer' is not known"),
    ({"run__max_error_fraction": 2}, r"run.max_error_fraction: .*less than or equal to 1"),
    ({"run__wave_seconds": 0}, r"run.wave_seconds: .*greater than 0"),
    ({"release__folder": "s3://bucket/shards"}, "release.folder: 's3://bucket/shards' is an object store; give a path that every"),
    ({"release__samples_per_shard": 0}, r"release.samples_per_shard: .*greater than or equal to 1"),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "message"), BAD, ids=[str(parts)[:60] for parts, _ in BAD])
def test_a_mistake_is_one_sentence(tmp_path: Path, parts: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        load(tmp_path, changed(**parts))
    assert "Traceback" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_gate_on_a_judges_answer_needs_the_judge(tmp_path: Path) -> None:
    policy = yaml.safe_load((CONF / "policies" / "demo.yaml").read_text(encoding="utf-8"))
    policy["thresholds"].append({"gate": "prompt_qwen3_guard", "kind": "prompt", "maximum": 0})
    path = tmp_path / "guarded.yaml"
    path.write_text(yaml.safe_dump(policy), encoding="utf-8")
    message = (
        "needs the score prompt_qwen3_guard, which no judge .* Name a language model for qwen3_guard in screen.judges"
    )
    with pytest.raises(RecipeError, match=message):
        load(tmp_path, changed(policy=str(path)))
    guard = {"name": "guard", "kind": "transformers", "model": "m", "temperature": 0, "licence": "MIT"}
    recipe = load(
        tmp_path, changed(policy=str(path), language_models=[guard], screen={"judges": {"qwen3_guard": "guard"}})
    )
    assert recipe.screen.judges == {"qwen3_guard": "guard"}


def test_two_generators_need_two_names(tmp_path: Path) -> None:
    generators = DEMO["generation"]["generators"] * 2
    with pytest.raises(RecipeError, match="are not all different; give each its own"):
        load(tmp_path, changed(generation__generators=generators))


def test_true_guidance_with_a_negative_prompt_is_taken(tmp_path: Path) -> None:
    parts = {"guidance_argument": "true_cfg_scale", "guidance": 4.0, "negative_prompt": " "}
    recipe = load(tmp_path, changed(generation__generators=[DEMO["generation"]["generators"][0] | parts]))
    assert recipe.generation.generators[0].guidance == 4


def test_every_mistake_is_named_not_only_the_first(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        load(tmp_path, changed(seed=-1, sede=1))
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name: a\nname: b\n", "the key 'name' is written twice in .*, line 2, column 1"),
        ("name: [a\n", "this is not valid YAML"),
        ("- a\n- b\n", "a mapping .key: value. is expected, found list"),
        ("", "a mapping .key: value. is expected, found NoneType"),
        ("name: caf\udce9", r"r.yaml: this is not UTF-8 .byte 9.. Save the file as UTF-8"),
    ],
)
def test_a_file_that_is_no_recipe(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "r.yaml").write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(RecipeError, match=message):
        load_recipe(tmp_path / "r.yaml")


def test_a_file_that_is_not_there_is_named_with_its_neighbors() -> None:
    with pytest.raises(RecipeError, match=r"demoo.yaml: there is no such file; .* holds: demo.yaml, fine_t2i.yaml"):
        load_recipe(CONF / "demoo.yaml")


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([8, 16, 32]), st.sampled_from([64, 256, 512]))
def test_a_size_is_taken_if_and_only_if_the_generator_makes_it(
    columns: int, lines: int, multiple: int, largest: int
) -> None:
    width, height = 8 * columns, 8 * lines
    generator = DEMO["generation"]["generators"][0] | {"size_multiple": multiple, "largest_side": largest}
    regime: Regime = "square" if width == height else "random_aspect"
    can_be_made = width % multiple == 0 and height % multiple == 0 and max(width, height) <= largest
    regimes: dict[Regime, tuple[str, ...]] = {regime: (f"{width}x{height}",)}
    try:
        made = Generation(generators=(generator,), regimes=regimes)
    except ValueError:
        assert not can_be_made
    else:
        assert can_be_made
        assert dimensions(made.regimes[regime][0]) == (width, height)

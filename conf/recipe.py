"""The recipe: one YAML file says everything that a run does. `load_recipe` returns it frozen, checked, with taxonomy
and policy resolved.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from conf.chat import LanguageModel
from conf.instruction import load_instruction
from conf.loading import Frozen, RecipeError, load, unknown
from conf.policy import Policy, load_policy
from conf.presets import DEDUPLICATION, with_preset
from conf.scores import IMAGE_SCORERS, PROMPT_JUDGES, SCORES
from conf.taxonomy import Slug, Taxonomy, load_taxonomy


def _size(value: str) -> str:
    if not re.fullmatch(r"[1-9]\d*x[1-9]\d*", value):
        raise ValueError(f"{value!r} is no size; write WIDTHxHEIGHT in pixels, as in 1024x768")
    return value


def _mounted(value: str) -> str:
    if "://" in value:
        raise ValueError(
            f"{value!r} is an object store; give a path that every machine of the cluster sees, such as /Volumes/..."
        )
    return value


MountedFolder = Annotated[str, AfterValidator(_mounted)]
Size = Annotated[str, AfterValidator(_size)]
GRAMMAR = "grammar"  # the name of the offline writer
Regime = Literal["square", "random_aspect"]
Variant = Literal["original", "enhanced"]
PromptJudge = Literal["qwen3_guard", "llama_guard_3", "attributes_judge"]


class PromptFile(Frozen):
    """Prompts brought along: a CSV or Parquet file with a column text and, if there, task, category, style (slugs) and
    atoms (JSON).
    """

    path: str
    source: str = Field(description="where the prompts come from, recorded with each")


class Writer(Frozen):
    """Who writes a share of the prompts: the offline grammar, or one of language_models by its name."""

    name: Slug
    weight: float = Field(default=1, gt=0, description="its share of the written prompts")


class Prompts(Frozen):
    """instruction: what language models are asked, conf/instructions/<name>.yaml or the path of such a file."""

    written: int = Field(ge=0, description="prompts to write over the taxonomy, by all writers")
    writers: tuple[Writer, ...] = Field(default=(Writer(name=GRAMMAR),), min_length=1)
    instruction: str = "write_prompts"
    files: tuple[PromptFile, ...] = ()

    @model_validator(mode="after")
    def _one_entry_a_writer(self) -> Prompts:
        names = [writer.name for writer in self.writers]
        if len(set(names)) < len(names):
            raise ValueError(f"writers: the names {names} are not all different; give each writer one weight")
        return self


class SentenceModel(Frozen):
    """A sentence-transformers model: a folder, or a hub id with the commit as revision. Its pooling is what its own
    files say.
    """

    name: Slug
    model: str
    revision: str | None = None
    batch_size: int = Field(default=64, ge=1)


class Deduplication(Frozen):
    """Two prompts whose embeddings' cosine reaches `similarity` are one.

    With the guard only if they also have one style and category, and state the same numbers, colors, relations,
    absences and quoted texts.
    """

    preset: str | None = Field(
        default=None,
        description="fine_t2i: the paper's cosine alone; fine_t2i_every_pair: of every two prompts (conf/presets.py)",
    )
    similarity: float = Field(default=0.8, gt=0, le=1)
    guard: bool = True
    embedder: SentenceModel | None = Field(default=None, description="None: all-MiniLM-L6-v2, which a package ships")
    cells: int = Field(default=128, ge=1, description="k-means cells of a large set of prompts; 1 compares every pair")
    probes: int = Field(default=4, ge=0, description="further cells, the nearest ones, that a prompt is compared with")

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, entry: Any) -> Any:
        return with_preset(entry, DEDUPLICATION)


class Screen(Frozen):
    """evaluation_prompts: files of prompts that training prompts must not repeat, as the benchmarks publish them (.jsonl,
    .tsv, .csv, a folder of .txt files) or plain text, one a line. names: a text file of names, one a line, that no
    prompt may hold. judges: kind of judge -> the language model that answers it; none, if left out.
    """

    evaluation_prompts: tuple[str, ...] = ()
    names: str | None = None
    judges: dict[PromptJudge, Slug] = {}
    instructions: str = Field(
        default="package:conf/instructions/judge_attributes.txt",
        description="what attributes_judge is asked, with {text}, {questions} and {keys}",
    )


class Enhancement(Frozen):
    """The language model that writes the longer texts, and its instructions: a file with {text} and, if it likes, {facts},
    {category}, {style} and {language}.
    """

    language_model: Slug
    instructions: str = "package:conf/instructions/enhance.txt"


class Generator(Frozen):
    """A diffusers pipeline and how it is called. model: a folder (its revision is its digest), or a hub id with the
    commit as revision.
    """

    name: Slug
    model: str
    revision: str | None = None
    pipeline: str = Field(description="the diffusers class, e.g. ZImagePipeline")
    dtype: Literal["float32", "float16", "bfloat16"]
    steps: int = Field(ge=1)
    guidance: float = Field(ge=0)
    guidance_argument: Literal["guidance_scale", "true_cfg_scale", "distilled_guidance_scale"] = "guidance_scale"
    negative_prompt: str | None = None
    options: dict[str, Any] = Field(default={}, description="further arguments of the pipeline's call, recorded")
    size_multiple: int = Field(ge=1)
    largest_side: int = Field(ge=1, description="pixels; the largest side that the model was made for")
    batch_size: int = Field(default=8, ge=1)
    licence: str
    output_may_train: bool = Field(description="whether the licence lets its output train another model")

    @model_validator(mode="after")
    def _guidance_that_works(self) -> Generator:
        if self.guidance_argument == "true_cfg_scale" and self.guidance > 1 and self.negative_prompt is None:
            raise ValueError(
                f"generator {self.name}: true_cfg_scale above 1 needs negative_prompt; without one the pipeline renders without"
                " guidance and says so in no place that you see. Set negative_prompt (' ' is enough), or guidance: 1"
            )
        return self


class Generation(Frozen):
    generators: tuple[Generator, ...] = Field(min_length=1)
    variants: tuple[Variant, ...] = ("original", "enhanced")
    regimes: dict[Regime, tuple[Size, ...]]
    candidates: int = Field(default=1, ge=1, description="pictures for each (prompt, variant, regime, generator)")
    quality: int = Field(default=95, ge=1, le=100, description="JPEG quality")

    @model_validator(mode="after")
    def _sizes_that_can_be_made(self) -> Generation:
        if not self.regimes:
            raise ValueError("regimes is empty; allowed keys: square, random_aspect, each with a list of sizes")
        names = [g.name for g in self.generators]
        if len(set(names)) < len(names):
            raise ValueError(f"generators: the names {names} are not all different; give each its own")
        for regime, sizes in self.regimes.items():
            if not sizes:
                raise ValueError(f"regimes.{regime} is empty; list at least one size, or leave the regime out")
            for size in sizes:
                self._check(regime, size)
        return self

    def _check(self, regime: str, size: str) -> None:
        width, height = dimensions(size)
        if (regime == "square") != (width == height):
            raise ValueError(
                f"regimes.{regime}: {size} does not belong there; square sizes go under square, all others under random_aspect"
            )
        for generator in self.generators:
            multiple, largest = generator.size_multiple, generator.largest_side
            if width % multiple or height % multiple or max(width, height) > largest:
                raise ValueError(
                    f"regimes.{regime}: generator {generator.name} cannot make {size}; allowed are sides that are a multiple of"
                    f" {multiple} and at most {largest} px"
                )


class Photos(Frozen):
    """Real photographs: a folder and its metadata file (CSV or JSON lines; one row a picture: file, author, licence,
    source, caption).
    """

    folder: MountedFolder
    metadata: str
    quality: int = Field(default=95, ge=1, le=100)


class Scorer(Frozen):
    """A scorer of the registry (conf/scores.py names them); model and revision where the scorer loads one; options are
    the scorer's own.
    """

    name: str
    model: str | None = None
    revision: str | None = None
    batch_size: int = Field(default=32, ge=1)
    options: dict[str, Any] = {}

    @model_validator(mode="after")
    def _known(self) -> Scorer:
        if self.name not in IMAGE_SCORERS:
            raise unknown("", "scorer", self.name, IMAGE_SCORERS, "Name one of these.")
        return self


class Judge(Frozen):
    """A vision-language model of transformers that answers one yes/no question an atom."""

    name: Slug
    model: str
    revision: str | None = None
    dtype: Literal["float32", "float16", "bfloat16"] = "bfloat16"
    batch_size: int = Field(default=16, ge=1)
    licence: str


class Release(Frozen):
    """Where shards go, under which release name, and how many samples a shard holds on average."""

    name: Slug
    folder: MountedFolder
    samples_per_shard: int = Field(default=1000, ge=1)


class Run(Frozen):
    """How a run behaves. wave_seconds: the work between two commits; max_error_fraction: the share of error rows at
    which a job stops.
    """

    wave_seconds: float = Field(default=30, gt=0)
    max_error_fraction: float = Field(default=0.2, gt=0, le=1)


class Recipe(Frozen):
    name: Slug
    lakehouse: str = Field(description="the folder that holds the tables, one folder each")
    seed: int = Field(default=0, ge=0)
    taxonomy: str
    policy: str
    prompts: Prompts
    deduplication: Deduplication = Deduplication()
    screen: Screen = Screen()
    enhancement: Enhancement | None = Field(default=None, description="who enhances; the offline grammar if left out")
    generation: Generation
    photos: Photos | None = None
    language_models: tuple[LanguageModel, ...] = Field(default=(), description="what other entries name")
    scorers: tuple[Scorer, ...] = Field(min_length=1)
    judge: Judge
    release: Release
    run: Run = Run()

    _taxonomy: Taxonomy = PrivateAttr()
    _policy: Policy = PrivateAttr()
    _path: Path = PrivateAttr()

    @property
    def labels(self) -> Taxonomy:
        """The loaded taxonomy."""
        return self._taxonomy

    @property
    def gates(self) -> Policy:
        """The loaded policy."""
        return self._policy

    @property
    def path(self) -> Path:
        """The file that this recipe was read from."""
        return self._path

    def language_model(self, name: str) -> LanguageModel:
        """The entry of language_models with this name. RecipeError, with the known names, where there is none."""
        known = {entry.name: entry for entry in self.language_models}
        if name not in known:
            raise unknown("", "language_models", name, list(known), "Name one of these, or add it there.")
        return known[name]

    @model_validator(mode="after")
    def _one_name_a_language_model(self) -> Recipe:
        names = [entry.name for entry in self.language_models]
        if len(set(names)) < len(names):
            raise ValueError(f"language_models: the names {names} are not all different; give each its own")
        return self


def dimensions(size: str) -> tuple[int, int]:
    """(width, height) in pixels of a size like '80x48'."""
    width, height = size.split("x")
    return int(width), int(height)


def load_recipe(path: str | Path) -> Recipe:
    """The recipe at `path`; RecipeError says in a sentence what is wrong, what is allowed and what to do."""
    path = Path(path)
    recipe = load(Recipe, path)
    recipe._path = path
    recipe._taxonomy = load_taxonomy(recipe.taxonomy)
    recipe._policy = load_policy(recipe.policy, recipe._taxonomy)
    _check_scores(recipe, path)
    _check_judges(recipe, path)
    _check_prompts(recipe, path)
    return recipe


def _check_scores(recipe: Recipe, path: Path) -> None:
    """A policy may need only what the recipe's scorers give."""
    scorers = {scorer.name for scorer in recipe.scorers} | {"judge"}
    given = [name for name, score in SCORES.items() if score.scorer in scorers]
    for needed in sorted(recipe.gates.scores()):
        if needed not in given:
            raise RecipeError(
                f"{path}: policy: {recipe.gates.name} needs the score {needed}, which no scorer of this recipe gives."
                f" Add the scorer {SCORES[needed].scorer}, or take the gate out of the policy."
            )


def _check_judges(recipe: Recipe, path: Path) -> None:
    """A gate on a judge's answer needs that judge, and what is named as a language model must be one."""
    for gate in sorted({threshold.gate for threshold in recipe.gates.thresholds}):
        needed = SCORES[gate].scorer
        if needed in PROMPT_JUDGES and needed not in recipe.screen.judges:
            raise RecipeError(
                f"{path}: policy: {recipe.gates.name} needs the score {gate}, which no judge of this recipe gives."
                f" Name a language model for {needed} in screen.judges, or take the gate out of the policy."
            )
    named = {f"screen.judges.{kind}": name for kind, name in recipe.screen.judges.items()}
    if recipe.enhancement is not None:
        named["enhancement.language_model"] = recipe.enhancement.language_model
    for key, name in named.items():
        try:
            recipe.language_model(name)
        except RecipeError as error:
            raise RecipeError(f"{path}: {key}: {error}") from None


def _check_prompts(recipe: Recipe, path: Path) -> None:
    if not recipe.prompts.written and not recipe.prompts.files:
        raise RecipeError(
            f"{path}: prompts: nothing is written and no file is brought. Set prompts.written or prompts.files."
        )
    if any(entry.name == GRAMMAR for entry in recipe.language_models):
        raise RecipeError(f"{path}: language_models: {GRAMMAR} is the name of the offline writer. Choose another name.")
    models = [writer.name for writer in recipe.prompts.writers if writer.name != GRAMMAR]
    known = [GRAMMAR, *(entry.name for entry in recipe.language_models)]
    for name in models:
        if name not in known:
            raise unknown(path, "prompts.writers", name, known, "Name one of these, or add it to language_models.")
    if models:
        load_instruction(recipe.prompts.instruction)

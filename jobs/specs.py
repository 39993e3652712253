"""Specs from the recipe: what it says of a model, resolved to a folder or a hub id and a pinned revision."""

from __future__ import annotations

import json
from typing import Any

from conf.chat import LanguageModel
from conf.paths import resolve_model
from conf.recipe import Generator, Judge, SentenceModel
from udfs.chat import Chat
from udfs.chat_endpoint import EndpointChat
from udfs.chat_transformers import TransformersChat
from udfs.embedders import MiniLM, SentenceEmbedder, minilm
from udfs.generators import DiffusersGenerator
from udfs.ids import content_id
from udfs.judges import TransformersJudge

AS_SERVED = "as_served"  # the revision of a model whose server does not say which it has


def generator_spec(generator: Generator, quality: int) -> DiffusersGenerator:
    """The resolved spec; its parameters and so every id hold the recipe's name of the model, not a path of this
    machine.
    """
    location, revision = resolve_model(generator.model, generator.revision)
    return DiffusersGenerator(
        model=generator.model,
        location=location,
        revision=revision,
        pipeline=generator.pipeline,
        dtype=generator.dtype,
        steps=generator.steps,
        guidance=generator.guidance,
        guidance_argument=generator.guidance_argument,
        negative_prompt=generator.negative_prompt,
        options=json.dumps(generator.options, sort_keys=True),
        quality=quality,
        batch_size=generator.batch_size,
    )


def judge_spec(judge: Judge) -> TransformersJudge:
    location, revision = resolve_model(judge.model, judge.revision)
    return TransformersJudge(judge.model, location, revision, judge.dtype, judge.batch_size)


def judge_model(judge: Judge) -> str:
    """What the rows of judgements call it; a policy counts the answers of one.

    With another dtype, pixel cap or wording of the questions it is another judge: its answers are others.
    """
    spec = judge_spec(judge)
    return f"{judge.name}@{spec.revision}-{content_id(spec.parameters)[:8]}"


def chat_spec(entry: LanguageModel) -> Chat:
    """The resolved spec of a language model; RecipeError where weights of the hub have no revision."""
    shared: dict[str, Any] = {
        "temperature": entry.temperature,
        "top_p": entry.top_p,
        "max_tokens": entry.max_tokens,
        "options": json.dumps(entry.options, sort_keys=True),
    }
    if entry.kind == "transformers":
        location, revision = resolve_model(entry.model, entry.revision)
        return TransformersChat(
            entry.name, entry.model, location, revision, entry.dtype, batch_size=entry.batch_size, **shared
        )
    return EndpointChat(
        entry.name,
        entry.model,
        entry.revision or AS_SERVED,
        str(entry.url),
        **shared,
        in_flight=entry.in_flight,
        timeout_seconds=entry.timeout_seconds,
        attempts=entry.attempts,
        json_schema=entry.json_schema,
        key_variable=entry.key_variable,
    )


def embedder_spec(model: SentenceModel | None) -> MiniLM | SentenceEmbedder:
    """The recipe's sentence model; without one that of the package which Goldpan installs."""
    if model is None:
        return minilm()
    location, revision = resolve_model(model.model, model.revision)
    return SentenceEmbedder(model.name, location, revision, model.batch_size)

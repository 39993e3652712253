"""A language model as the recipe describes it: behind an OpenAI-compatible endpoint, or in process by transformers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, JsonValue, model_validator

from conf.loading import Frozen
from conf.presets import LANGUAGE_MODELS, with_preset
from conf.taxonomy import Slug

_ONLY = {
    "openai": ("url", "key_variable", "in_flight", "timeout_seconds", "attempts", "json_schema"),
    "transformers": ("dtype", "batch_size"),
}
# What options cannot change: the answers would not be those that were asked for, or could not be read.
_OURS = {
    "openai": {"messages", "model", "stream", "n", "response_format"},
    "transformers": {
        "conversation", "messages", "add_generation_prompt", "continue_final_message", "tokenize", "return_dict",
        "return_tensors", "return_assistant_tokens_mask", "padding", "truncation", "max_length", "tokenizer_kwargs",
    },
}  # fmt: skip
_ACCESS = re.compile(
    r"(api|access|private).?key|auth|secret|passw|credential|bearer|cookie|(access|hf|session).?token|^(key|token)$",
    re.IGNORECASE,
)


class LanguageModel(Frozen):
    """name is what other entries of the recipe call it. kind openai: any server that speaks /v1/chat/completions, model is
    its name there; transformers: model is a folder, or a hub id with the commit as revision.

    One use, one entry: the sampling belongs to it.
    """

    name: Slug
    kind: Literal["openai", "transformers"]
    model: str
    revision: str | None = Field(default=None, description="the commit; of a server the one that it was started with")
    preset: str | None = Field(
        default=None, description="fine_t2i: the paper's temperature and top_p (conf/presets.py)"
    )
    temperature: float = Field(ge=0, le=2)
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int = Field(default=512, ge=1, description="of an answer")
    licence: str = Field(description="of the model's output")
    options: dict[str, JsonValue] = Field(
        default={},
        description="further keys of a request's body, where null takes one out; in process arguments of the chat template",
    )
    # of an endpoint
    url: str | None = Field(default=None, description="up to and without /chat/completions, e.g. http://host:8000/v1")
    key_variable: str | None = Field(default=None, description="the environment variable of the workers with the key")
    in_flight: int = Field(default=16, ge=1, le=1000, description="requests at once, a task")
    timeout_seconds: float = Field(default=120, gt=0, description="until an attempt must have begun to answer")
    attempts: int = Field(default=5, ge=1, description="requests for one answer at most")
    json_schema: bool = Field(default=True, description="false for a server without response_format json_schema")
    # in process
    dtype: Literal["float32", "float16", "bfloat16"] = "bfloat16"
    batch_size: int = Field(default=16, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, entry: Any) -> Any:
        return with_preset(entry, LANGUAGE_MODELS)

    @model_validator(mode="after")
    def _what_belongs_to_its_kind(self) -> LanguageModel:
        other = "transformers" if self.kind == "openai" else "openai"
        if foreign := [key for key in _ONLY[other] if key in self.model_fields_set]:
            raise ValueError(
                f"{self.name}: {', '.join(foreign)} belongs to kind {other}, this one is {self.kind}."
                f" Its own keys are: {', '.join(_ONLY[self.kind])}."
            )
        self._check_options()
        if self.kind == "openai":
            self._check_endpoint()
        return self

    def _check_options(self) -> None:
        if ours := sorted(_OURS[self.kind] & self.options.keys()):
            raise ValueError(
                f"{self.name}: options cannot hold {', '.join(ours)}: Goldpan sets that itself. Take it out; allowed is what else"
                f" {'a request to the server' if self.kind == 'openai' else 'the chat template'} may hold."
            )
        if self.kind == "openai" and self.options.get("seed") is not None:
            raise ValueError(
                f"{self.name}: options can only take the seed out (seed: null): each request has its own,"
                " or one question would get one answer for ever."
            )
        if access := [name for name in _names(self.options) if _ACCESS.search(name)]:
            raise ValueError(
                f"{self.name}: options holds {', '.join(access)}, which looks like a key. Never write a key here:"
                " put an endpoint's into the environment of the workers, and name the variable with key_variable."
            )

    def _check_endpoint(self) -> None:
        if self.url is None:
            raise ValueError(f"{self.name}: kind openai needs url, e.g. http://127.0.0.1:8000/v1")
        if not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s?#@]*)?", self.url):
            raise ValueError(
                f"{self.name}: url is no address like http://host:8000/v1; a user name, a key or a query does not belong there"
            )
        if self.url.rstrip("/").endswith("/completions"):
            raise ValueError(f"{self.name}: url must end before /chat/completions, mostly with /v1")
        if self.key_variable is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.key_variable):
            raise ValueError(
                f"{self.name}: key_variable is no name of an environment variable. It names the variable; never write the key itself here."
            )


def _names(value: Any) -> Iterator[str]:
    """The names in options, at any depth."""
    if isinstance(value, dict):
        yield from value
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _names(part)

"""A language model in this process, by transformers: any that AutoModelForCausalLM loads and whose tokenizer has a chat template.

What is drawn for a row is the row's own. Sampling by Gumbel's trick: the largest of (log-probability + noise) is a fair
draw, and a row's noise comes from a generator that its request's seed starts. So who else is in the batch, and where a run
was cut, changes no draw. On the CPU a batch also has one prompt length and its full size, so that the last bits of the
logits are the same too, and an answer is the same again to the letter. On an accelerator those bits depend on the batch: a
near tie may fall the other way.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from udfs.chat import Answer, Request, checked
from udfs.errors import ExplainedError


class NoChatTemplateError(ExplainedError):
    """The tokenizer has no chat template: the model was not made for conversations."""


@dataclass(frozen=True)
class TransformersChat:
    """name@revision is what rows say; location is the resolved folder or hub id of weights. batch_size: conversations at once.

    options: further arguments of the chat template.
    """

    name: str
    weights: str
    location: str
    revision: str
    dtype: str
    temperature: float
    top_p: float
    max_tokens: int
    batch_size: int = 16
    options: str = "{}"  # canonical JSON, so that the spec stays hashable
    needs_device: bool = True

    @property
    def model(self) -> str:
        return f"{self.name}@{self.revision}"

    @property
    def parameters(self) -> dict[str, Any]:
        options = json.loads(self.options)
        return {
            "engine": "transformers",
            "model": f"{self.weights}@{self.revision}",
            "dtype": self.dtype,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
        } | ({"options": options} if options else {})

    def load(self, device: str) -> LoadedTransformers:
        """NoChatTemplateError where the tokenizer has none."""
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        local = Path(self.location).is_dir()
        source: dict[str, Any] = {"local_files_only": True} if local else {"revision": self.revision}
        tokenizer: Any = AutoTokenizer.from_pretrained(self.location, padding_side="left", **source)
        if not tokenizer.chat_template:
            raise NoChatTemplateError(
                f"{self.name}: the tokenizer of {self.weights} has no chat template; take an instruction-tuned model"
            )
        dtype = getattr(torch, self.dtype)
        net: Any = AutoModelForCausalLM.from_pretrained(self.location, dtype=dtype, **source)
        return LoadedTransformers(self, net.to(device).eval(), tokenizer)


@dataclass
class LoadedTransformers:
    spec: TransformersChat
    net: Any
    tokenizer: Any

    def __post_init__(self) -> None:
        """Ends and padding: the model's own generation config says what ends an answer, else its tokenizer.

        Nothing else of that config is used: generate() would take its repetition_penalty and the like for what we leave
        open, and no row would say so.
        """
        from transformers import GenerationConfig

        ends = self.net.generation_config.eos_token_id
        if ends is None:
            ends = self.tokenizer.eos_token_id
        self.net.generation_config = GenerationConfig()
        self.ends: list[int] = [] if ends is None else [ends] if isinstance(ends, int) else list(ends)
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token_id = self.ends[0] if self.ends else 0

    def complete(self, requests: list[Request]) -> list[Answer | Exception]:
        prompts = [self._tokens(request) for request in requests]
        answers: dict[int, Answer | Exception] = {}
        for chunk in self._chunks([len(tokens) for tokens in prompts]):
            said = self._generate([prompts[i] for i in chunk], [requests[i].seed for i in chunk])
            for index, tokens in zip(chunk, said, strict=True):
                answers.setdefault(index, self._answer(tokens, len(prompts[index])))
        return [answers[index] for index in range(len(requests))]

    def _tokens(self, request: Request) -> list[int]:
        encoded: Any = self.tokenizer.apply_chat_template(
            list(request.messages),
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            **json.loads(self.spec.options),
        )
        return list(encoded["input_ids"])

    def _chunks(self, lengths: list[int]) -> Iterable[list[int]]:
        """Indexes of the prompts that share a batch; on the CPU of one length, and the last one fills it up."""
        size = self.spec.batch_size
        if self.net.device.type != "cpu":
            order = sorted(range(len(lengths)), key=lambda index: lengths[index])  # little padding
            return [order[start : start + size] for start in range(0, len(order), size)]
        alike: dict[int, list[int]] = {}
        for index, length in enumerate(lengths):
            alike.setdefault(length, []).append(index)
        chunks = [group[start : start + size] for group in alike.values() for start in range(0, len(group), size)]
        return [chunk + chunk[-1:] * (size - len(chunk)) for chunk in chunks]

    def _generate(self, prompts: list[list[int]], seeds: list[int]) -> list[list[int]]:
        """The new tokens of every prompt, an end included, without padding behind it."""
        import torch
        from transformers import GenerationConfig

        inputs = self.tokenizer.pad({"input_ids": prompts}, return_tensors="pt").to(self.net.device)
        config = GenerationConfig(
            max_new_tokens=self.spec.max_tokens,
            do_sample=False,  # the noise is in the logits
            eos_token_id=self.ends or None,
            pad_token_id=self.tokenizer.pad_token_id,
        )
        with torch.inference_mode():
            out = self.net.generate(**inputs, generation_config=config, logits_processor=self._sampling(seeds))
        return [self._to_the_end(row) for row in out[:, inputs["input_ids"].shape[1] :].tolist()]

    def _sampling(self, seeds: list[int]) -> Any:
        """Temperature, nucleus, then the rows' own noise; nothing at temperature 0: the likeliest token."""
        import torch
        from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper

        if self.spec.temperature == 0:
            return LogitsProcessorList()
        warpers: list[Any] = [TemperatureLogitsWarper(float(self.spec.temperature))]
        if self.spec.top_p < 1:
            warpers.append(TopPLogitsWarper(float(self.spec.top_p)))
        device = self.net.device
        generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]

        def noisy(input_ids: Any, scores: Any) -> Any:
            noise = [torch.empty(scores.shape[1], device=device).exponential_(generator=g) for g in generators]
            return scores.float().log_softmax(-1) - torch.stack(noise).log()

        return LogitsProcessorList([*warpers, noisy])

    def _to_the_end(self, tokens: list[int]) -> list[int]:
        first = next((place for place, token in enumerate(tokens) if token in self.ends), None)
        return tokens if first is None else tokens[: first + 1]

    def _answer(self, tokens: list[int], asked: int) -> Answer | Exception:
        ended = bool(tokens) and tokens[-1] in self.ends
        text = self.tokenizer.decode(tokens, skip_special_tokens=True)
        return checked(Answer(text.strip(), "stop" if ended else "length", asked, len(tokens)))

"""labeled pictures and yes/no questions -> demo/models/judge: a small Llava of transformers.

.venv/bin/python demo/train_judge.py --minutes 40
Its vision tower learns to name what every patch shows, with heads of its own and in the words of the questions; alone
at first, then the whole answers questions too. Without the words a question's "red" has to find out by trial which
patches are meant by it, and does not in this time. In the same way a shape's name in a question learns to point at the
shape: "left of" compares two places, which have to be known first.
"""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaImageProcessorPil,
    LlavaProcessor,
)

from demo.degraded import Labeled, labeled
from demo.measures import auc
from demo.pictures import size_of, to_tensor
from demo.prompts import HELD_OUT, Prompts
from demo.questions import GRID, PATCH, SIDE, patch_classes, questions, shape_centers, squared
from demo.scenes import COLORS, PLACES, SIZES, STYLES
from demo.shapes import SHAPES
from demo.training import MODELS, Trainer, arguments, half
from demo.words import tokenizer, vocabulary
from demo.worn import WornPictures
from udfs.atoms import question

FOLDER = MODELS / "judge"
BATCH = 32
WORN = 22
ASKED = 12  # tokens of the longest question
WIDTH = 128
EYES_ONLY = 0.2  # share of the training before the first question
_SEED = 40_000  # other pictures than the detector's and the generator's
_PARTS = (len(SHAPES) + 2, len(SHAPES) + 2, len(COLORS) + 1, len(STYLES))
SHARPNESS = 6.0  # of two unit vectors of WIDTH numbers times WIDTH: logits of +-20 at most
TEMPLATE = (
    "{% for message in messages %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ ' ' + part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %}"
)


def new_processor() -> LlavaProcessor:
    tokens = tokenizer([*vocabulary(questions=True), "<image>"], limit=GRID * GRID + 2 * ASKED, framed=False)
    tokens.add_special_tokens({"additional_special_tokens": ["<image>"]})
    gray = [0.5, 0.5, 0.5]
    side = {"height": SIDE, "width": SIDE}
    eyes = LlavaImageProcessorPil(do_pad=True, size=side, do_center_crop=False,
                                  image_mean=gray, image_std=gray)  # fmt: skip
    return LlavaProcessor(eyes, tokens, patch_size=PATCH, vision_feature_select_strategy="default",
                          num_additional_image_tokens=1, chat_template=TEMPLATE)  # fmt: skip


def new_judge(processor: LlavaProcessor) -> LlavaForConditionalGeneration:
    vision = CLIPVisionConfig(hidden_size=WIDTH, intermediate_size=4 * WIDTH, projection_dim=WIDTH, num_hidden_layers=4,
                              num_attention_heads=4, image_size=SIDE, patch_size=PATCH)  # fmt: skip
    tokens = processor.tokenizer
    text = LlamaConfig(vocab_size=len(tokens), hidden_size=WIDTH, intermediate_size=3 * WIDTH, num_hidden_layers=4,
                       num_attention_heads=4, max_position_embeddings=256, tie_word_embeddings=True,
                       pad_token_id=tokens.pad_token_id, bos_token_id=tokens.bos_token_id,
                       eos_token_id=tokens.eos_token_id)  # fmt: skip
    image = tokens.convert_tokens_to_ids("<image>")
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=image, vision_feature_layer=-1,
                         vision_feature_select_strategy="default", image_seq_length=GRID * GRID,
                         tie_word_embeddings=True)  # fmt: skip
    return LlavaForConditionalGeneration(config)


class Judge(nn.Module):
    """The Llava and, for its training only, heads that name each patch and the place and point at a shape."""

    def __init__(self, llava: LlavaForConditionalGeneration) -> None:
        super().__init__()
        self.llava = llava
        self.patch = nn.Linear(WIDTH, sum(_PARTS))
        self.place = nn.Linear(WIDTH, len(PLACES))
        self.point = nn.Linear(WIDTH, 2)

    def look(self, pixels: Tensor) -> Tensor:
        """(n, 3, SIDE, SIDE) -> (n, patches, WIDTH)."""
        hidden: Tensor = self.llava.model.vision_tower(pixels).last_hidden_state[:, 1:]
        return hidden

    def read(self, patches: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """patches (n, p, WIDTH), ids (n, questions, ASKED) -> of each token what is known of it half way and at the end,
        (n, questions, ASKED, WIDTH) both.

        All questions of a picture share its patches: each attends to them and to itself only, as if it were alone.
        """
        n, k, q = ids.shape
        model = self.llava.model
        asked = model.language_model.embed_tokens(ids.reshape(n, k * q))
        inputs = torch.cat([model.multi_modal_projector(patches), asked], 1)
        p = patches.shape[1]
        at = torch.cat([torch.arange(p), torch.arange(p, p + q).repeat(k)]).to(ids.device)
        told = model.language_model(
            inputs_embeds=inputs,
            position_ids=at.expand(n, -1),
            attention_mask=_mask(p, k, q, inputs),
            use_cache=False,
            output_hidden_states=True,
        )
        middle = told.hidden_states[len(told.hidden_states) // 2]
        return middle[:, p:].unflatten(1, (k, q)), told.last_hidden_state[:, p:].unflatten(1, (k, q))

    def answer(self, read: Tensor, lengths: Tensor) -> Tensor:
        """read (n, questions, ASKED, WIDTH), lengths (n, questions) -> logits (n, questions, words)."""
        last = (lengths - 1)[:, :, None, None].expand(-1, -1, 1, read.shape[-1])
        logits: Tensor = self.llava.lm_head(read.gather(2, last)[:, :, 0])
        return logits


def _mask(p: int, k: int, q: int, like: Tensor) -> Tensor:
    """(n, 1, p + k q, p + k q), additive: causal, and no question sees another."""
    group = torch.cat([torch.zeros(p), torch.arange(1, k + 1).repeat_interleave(q)])
    place = torch.arange(p + k * q)
    seen = (place[None] <= place[:, None]) & ((group[None] == group[:, None]) | (group[None] == 0))
    mask = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)
    return mask.to(like)[None, None].expand(len(like), 1, -1, -1)


def patch_loss(judge: Judge, patches: Tensor, batch: list[Labeled]) -> Tensor:
    inside, center, color, style, place = (t.to(patches.device) for t in patch_classes(batch))
    parts = judge.patch(patches).transpose(1, 2).unflatten(2, (GRID, GRID)).split(_PARTS, dim=1)
    weight = torch.tensor([0.3, *[1.0] * (_PARTS[0] - 1)], device=patches.device)
    where = F.cross_entropy(parts[0], inside, weight) + F.cross_entropy(parts[1], center, weight)
    looks = F.cross_entropy(parts[2], color) + F.cross_entropy(parts[3], style)
    return where + 0.5 * looks + 0.5 * F.cross_entropy(judge.place(patches.mean(1)), place)


def word_loss(judge: Judge, patches: Tensor, batch: list[Labeled], tokens: Any) -> Tensor:
    """What a patch shows, said in the questions' own words: the projected patch lies near the embeddings of its shape,
    color, style and place.
    """
    inside, _, color, style, place = (t.to(patches.device) for t in patch_classes(batch))
    words = judge.llava.model.language_model.embed_tokens.weight
    said = F.rms_norm(judge.llava.model.multi_modal_projector(patches), (WIDTH,))

    def named(names: Any, target: Tensor) -> Tensor:
        among = F.rms_norm(words[tokens.convert_tokens_to_ids([*names])], (WIDTH,))
        known = torch.where((target >= 0) & (target < len(among)), target, -100)
        return F.cross_entropy((said @ among.T / SHARPNESS).flatten(0, 1), known.flatten(), ignore_index=-100)

    everywhere = place[:, None, None].expand_as(inside)
    return named(SHAPES, inside - 1) + named(COLORS, color) + named(STYLES, style) + named(PLACES, everywhere)


def point_loss(judge: Judge, middle: Tensor, ids: Tensor, batch: list[Labeled], tokens: Any) -> Tensor:
    """Half way through the questions, the name of a shape knows where in the picture it is."""
    centers, there = (t.to(ids.device) for t in shape_centers(batch))
    names = torch.tensor(tokens.convert_tokens_to_ids([*SHAPES]), device=ids.device)
    named = (ids[..., None] == names).float() * there[:, None, None]  # (n, questions, ASKED, shapes)
    target = torch.einsum("nkqs,nsc->nkqc", named, centers)
    asked = named.sum(-1)
    error = (judge.point(middle) - target).pow(2).sum(-1)
    return (error * asked).sum() / asked.sum().clamp(min=1)


def asked_batch(batch: list[Labeled], processor: LlavaProcessor, rng: random.Random) -> tuple[Tensor, Tensor, Tensor]:
    """ids (n, 8, ASKED), lengths (n, 8), the token of the right answer (n, 8)."""
    tokens = processor.tokenizer
    yes, no = tokens.convert_tokens_to_ids(["yes", "no"])
    facts = [questions(seen, rng) for seen in batch]
    texts = [question(fact) for row in facts for fact, _ in row]
    coded = tokens(texts, padding="max_length", max_length=ASKED, padding_side="right", return_tensors="pt")
    shape = (len(batch), -1)
    right = torch.tensor([[yes if truth else no for _, truth in row] for row in facts])
    return coded.input_ids.reshape(*shape, ASKED), coded.attention_mask.sum(1).reshape(shape), right


@torch.no_grad()
def measure_judge(judge: Judge, processor: LlavaProcessor, device: str, n: int = 400) -> dict[str, float]:
    """auc_<kind> on questions about held-out pictures."""
    prompts, rng = Prompts(1, first_index=HELD_OUT), random.Random("judge")
    yes, no = processor.tokenizer.convert_tokens_to_ids(["yes", "no"])
    told: dict[str, tuple[list[float], list[float]]] = {}
    for _ in range(n // BATCH):
        batch = [labeled(prompts, rng, *rng.choice(SIZES)) for _ in range(BATCH)]
        state = rng.getstate()
        ids, lengths, _ = asked_batch(batch, processor, rng)
        rng.setstate(state)
        facts = [fact for seen in batch for fact in questions(seen, rng)]
        pixels = to_tensor([squared(seen.image) for seen in batch]).to(device)
        _, read = judge.read(judge.look(pixels), ids.to(device))
        logits = judge.answer(read, lengths.to(device))
        margin = (logits[..., yes] - logits[..., no]).flatten().tolist()
        for (fact, truth), value in zip(facts, margin, strict=True):
            told.setdefault(str(fact["kind"]), ([], []))[0 if truth else 1].append(value)
    return {f"auc_{kind}": auc(*told[kind]) for kind in sorted(told)}


def main() -> None:
    args = arguments(__doc__ or "", 40)
    processor = new_processor()
    trainer = Trainer("judge", Judge(new_judge(processor)), args, rate=1e-3, ema=0.998)
    judge: Any = trainer.model
    average: Any = trainer.average
    rng = random.Random(f"{args.seed + _SEED}/{trainer.done}")
    prompts = Prompts(rng.getrandbits(30))
    worn = WornPictures(lambda width, height: labeled(prompts, rng, width, height), rng, args.device)

    def loss() -> tuple[Tensor, int]:
        batch = worn.take(WORN, size_of(rng))
        batch += [labeled(prompts, rng, *size_of(rng)) for _ in range(BATCH - WORN)]
        patches = judge.look(to_tensor([squared(seen.image) for seen in batch]).to(args.device))
        dense = patch_loss(judge, patches, batch) + word_loss(judge, patches, batch, processor.tokenizer)
        if trainer.done < EYES_ONLY:
            return dense, BATCH
        ids, lengths, right = (t.to(args.device) for t in asked_batch(batch, processor, rng))
        middle, read = judge.read(patches, ids)
        answered = F.cross_entropy(judge.answer(read, lengths).flatten(0, 1), right.flatten())
        return 0.3 * dense + point_loss(judge, middle, ids, batch, processor.tokenizer) + answered, BATCH

    def export() -> None:
        half(average.llava).save_pretrained(FOLDER)
        new_processor().save_pretrained(FOLDER)  # the one in use carries the padding of its last call

    def measure() -> dict[str, float]:
        return measure_judge(average, processor, args.device)

    trainer.fit(loss, export, measure, save_every=90, measure_every=400)


if __name__ == "__main__":
    main()

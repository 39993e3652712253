"""The tokenizer of the demo's models: a token a word, for every word that the scenes' writer or a question can say."""

from __future__ import annotations

import re
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from conf.taxonomy import Taxonomy, load_taxonomy
from demo.prompts import Prompts
from udfs.atoms import question

PAD, START, UNKNOWN, END = "<pad>", "<s>", "<unk>", "</s>"
LIMIT = 40  # tokens of the longest text, with its two marks


def vocabulary(questions: bool = False) -> list[str]:
    """The special tokens, then every word in alphabetical order; with questions, the judge's words too."""
    taxonomy = load_taxonomy("scenes")
    texts = _texts(taxonomy)
    prompts = Prompts(0)
    drawn = [prompts.draw() for _ in range(2000)]
    texts += [p.text for p in drawn]
    if questions:
        texts += [question(a) for p in drawn for a in p.atoms] + ["yes no"]
    return [PAD, START, UNKNOWN, END, *sorted({word for text in texts for word in split_words(text)})]


def split_words(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text.lower())


def tokenizer(words: list[str], limit: int = LIMIT, framed: bool = True) -> PreTrainedTokenizerFast:
    """Lower case, a token a word or mark; framed: <s> ... </s> around every text."""
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token=UNKNOWN))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])
    if framed:
        core.post_processor = processors.TemplateProcessing(
            single=f"{START} $A {END}", special_tokens=[(START, words.index(START)), (END, words.index(END))]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        model_max_length=limit,
        pad_token=PAD,
        bos_token=START,
        eos_token=END,
        unk_token=UNKNOWN,
        model_input_names=["input_ids", "attention_mask"],
    )


def padded(tokens: Any, texts: list[str]) -> Tensor:
    """Token ids (n, LIMIT)."""
    ids: Tensor = tokens(texts, padding="max_length", max_length=LIMIT, return_tensors="pt").input_ids
    return ids


def _texts(taxonomy: Taxonomy) -> list[str]:
    lexicon = taxonomy.lexicon
    words = [*lexicon.objects, *(lexicon.plurals.get(o, f"{o}s") for o in lexicon.objects), *lexicon.colors]
    words += [*lexicon.counts, *lexicon.relations, *lexicon.details, "a an one"]
    words += [re.sub(r"{\w*}", " ", t.pattern) for t in taxonomy.templates]
    words += [c.place for c in taxonomy.categories] + [c.keyword for c in taxonomy.categories]
    return words + [s.phrase for s in taxonomy.styles]

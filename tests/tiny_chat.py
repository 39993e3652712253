"""A language model of a real class that says what it is told to: a Llama whose weights are a table of what follows what."""

from __future__ import annotations

import itertools
from pathlib import Path

from tests.tiny_models import tokenizer

_TEMPLATE = "{% for message in messages %}{{ message['content'] }} {% endfor %}assistant"


def bigram_chat(folder: Path, *said: str) -> Path:
    """A folder that AutoModelForCausalLM loads; whatever it is asked, it answers the words of `said`, then ends."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = ["assistant", *said]
    fast = PreTrainedTokenizerFast.from_pretrained(tokenizer(folder, words, length=512))
    fast.chat_template = _TEMPLATE
    fast.save_pretrained(folder)
    size = 4 + len(words)
    width = size + size % 2
    config = LlamaConfig(
        vocab_size=size, hidden_size=width, intermediate_size=2, num_hidden_layers=1, num_attention_heads=1,
        num_key_value_heads=1, max_position_embeddings=512, bos_token_id=1, eos_token_id=2, pad_token_id=0,
        tie_word_embeddings=False,
    )  # fmt: skip
    net = LlamaForCausalLM(config)
    with torch.no_grad():
        for weight in net.parameters():
            weight.zero_()  # attention and the layers add nothing: what comes out is what the last word went in as
        net.model.norm.weight.fill_(1.0)
        net.model.embed_tokens.weight[:, :size] = torch.eye(size)
        ids = [fast.convert_tokens_to_ids(word) for word in words] + [2]
        for word, following in itertools.pairwise(ids):
            net.lm_head.weight[following, word] = 10.0
    net.save_pretrained(folder)
    return folder

"""Measures of a text that need no model: words, instruction residue, repetition."""

from __future__ import annotations

import re
from collections import Counter

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_REFUSAL = (
    r"\b(as an? (ai|language model)|i('m| am) (sorry|unable)|i can('t|not) (create|generate|help|assist|fulfill))\b"
)
# What a language model says around a prompt. A user's own request ("please draw ...") is a prompt, not residue.
_RESIDUE = (
    r"^\W*(sure|certainly|of course|absolutely|okay|great)\b\s*[,!.:;–—-]",
    r"^\W*here('s| is| are)\b.{0,60}\b(prompts?|descriptions?|captions?|versions?|ideas?)\b",
    r"^\W*(enhanced|improved|rewritten|revised|image|final|new)?\s*(prompt|description|caption)\s*(\d+\s*)?:",
    r"^\s*(\d{1,3}[.)]|[-*•])\s+\S",
    r"^\s*(\"[^\"]*\"|'[^']*'|“[^”]*”|«[^»]*»)\s*$",
    _REFUSAL,
    r"\b(let me know if|hope this helps|feel free to (ask|adjust|modify)|would you like me to)\b",
    r"```|\*\*|</?\w+>|\[(insert|your|add)\b[^\]]*\]|\{\w*\}",
    r"\bword count\s*:|\bnote\s*:\s",
)
_REFUSALS = re.compile(_REFUSAL, re.IGNORECASE)
_RESIDUES = re.compile("|".join(f"(?:{pattern})" for pattern in _RESIDUE), re.IGNORECASE | re.MULTILINE)


def words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def residue(text: str) -> float:
    """1 where the text holds what a language model says around a prompt, else 0.

    A preamble, a list mark, quotes around the whole, a refusal, mark-up, a placeholder.
    """
    return float(_RESIDUES.search(text) is not None)


def refusal(text: str) -> bool:
    """Whether a language model says that it cannot, instead of the prompt."""
    return _REFUSALS.search(text.replace("’", "'")) is not None


def repetition(text: str) -> float:
    """Share of the words that stand in a trigram that occurs more than once, 0-1."""
    tokens = words(text)
    grams = [tuple(tokens[i : i + 3]) for i in range(len(tokens) - 2)]
    counts = Counter(grams)
    repeated = {i + k for i, gram in enumerate(grams) if counts[gram] > 1 for k in range(3)}
    return len(repeated) / len(tokens) if tokens else 0.0

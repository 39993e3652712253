"""Measures of a text that need no model: words, instruction residue, repetition."""

from __future__ import annotations

import re
from collections import Counter

from udfs.attributes import unquoted

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
# What a refusal begins with, and what it says anywhere. 'A robot posing as an AI' is a prompt, and so are these:
# "I can't believe ...", "I won't give up" (a tattoo), "I'm afraid of the dark", 'apologies on a card'.
_MEANT = (
    r"(?! (believe|wait|stop|sleep|breathe|see|hear|remember|forget|live|fly|swim|dance|quit|die|give up|let go|grow up"
    r"|be (?!able\b|\w+ing\b)|help (falling|loving|but|myself)))"
)
_VERY = r"( really| very| so| truly| deeply| terribly| extremely)*"
_CLAUSE = r"(^|[.!?,;:]|\bbut\b)\W*"  # where a sentence or its part begins
_BUT = r"(\s*([,.;:!–—]|$)|\s+(but|for|that|i|we|if|as|to|because)\b)"
_REFUSALS = (
    rf"^\W*(i|we) (can('t| ?not)|won't|will not)\b{_MEANT}",
    rf"^\W*(i('m| am)|we('re| are)){_VERY} (sorry|unable|not able)\b",
    rf"^\W*(i('m| am)|we('re| are)){_VERY} afraid,?( that)? (i|we|it|this|that|the|your|such|not|but)\b",
    r"^\W*unfortunately\b",
    r"^\W*sorry\b\s*([,.!]|but\b|i\b|$)",
    r"^\W*as an? (ai|(large )?language model)\b",
    rf"^\W*((my|our) ([a-z]+ )?|sincere |please accept (my|our) ([a-z]+ )?)?apologies{_BUT}",
    rf"{_CLAUSE}(i|we)( do| must| have to| need to| want to)?( \w+ly)? apologi[sz]e{_BUT}",
    rf"{_CLAUSE}(i|we)( must|('ll|'d| will| would)? have to| need to| would)( \w+ly)? (decline\b|refuse{_BUT})",
    rf"{_CLAUSE}i('m| am| do|'d| would| wo)? ?(not|n't|un)( feel| be)?{_VERY} ?comfortable(\s*[,.;!]|\s*$| (with|to|\w+ing)\b)",
    rf"\bi('m| am){_VERY} (sorry|unable to|not able to)\b",
    r"\b(i|we) can('t| ?not) (create|write|generate|assist|fulfill|comply|help (you|with))\b",
    r"\bas an? (ai|(large )?language model)( (language )?model| assistant)?,? (i|my)\b",
)
# What a language model says around a prompt. A user's own request ("please draw ...") is a prompt, not residue.
_RESIDUE = (
    r"^\W*(sure|certainly|of course|absolutely|okay|great)\b\s*([,!.:;–—]|-(?!\w))",  # not 'great-grandmother'
    r"^\W*here('s| is| are)\b.{0,60}\b(prompts?|descriptions?|captions?|versions?|ideas?)\b",
    r"^\W*(enhanced|improved|rewritten|revised|image|final|new)?\s*(prompt|description|caption)\s*(\d+\s*)?:",
    r"^\s*(\d{1,3}[.)]|[-*•])\s+\S",
    r"^\s*(\"[^\"]*\"|'([^']|'(?=\w))*'|“[^”]*”|«[^»]*»)\s*$",
    r"\b(let me know if|hope this helps|feel free to (ask|adjust|modify)|would you like me to)\b",
    r"```|\*\*|</?\w+>|\[(insert|your|add)\b[^\]]*\]|\{\w*\}",
    r"\bword count\s*:|(^|[.!?)]\s|\()\W*note\s*:\s",  # not 'a sticky note: ...'
)
_REFUSED = re.compile("|".join(_REFUSALS), re.IGNORECASE)
_RESIDUES = re.compile("|".join(f"(?:{pattern})" for pattern in _RESIDUE), re.IGNORECASE | re.MULTILINE)


def words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def residue(text: str) -> float:
    """1 where the text holds what a language model says around a prompt, else 0.

    A preamble, a list mark, quotes around the whole, a refusal, mark-up, a placeholder.
    """
    return float(refusal(text) or _RESIDUES.search(_straight(text)) is not None)


def refusal(text: str) -> bool:
    """Whether a language model says that it cannot, instead of the prompt. What a sign or a card says in quotes is none."""
    plain = _straight(text)
    told = unquoted(plain)
    return _REFUSED.search(told if _WORD.search(told) else plain) is not None


def repetition(text: str) -> float:
    """Share of the words that stand in a trigram that occurs more than once, 0-1."""
    tokens = words(text)
    grams = [tuple(tokens[i : i + 3]) for i in range(len(tokens) - 2)]
    counts = Counter(grams)
    repeated = {i + k for i, gram in enumerate(grams) if counts[gram] > 1 for k in range(3)}
    return len(repeated) / len(tokens) if tokens else 0.0


def _straight(text: str) -> str:
    """The text with the apostrophe of a keyboard, whichever a model writes."""
    return text.replace("’", "'")

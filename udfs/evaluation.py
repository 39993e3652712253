"""Overlap with evaluation prompts: the same words, shared word trigrams, and (by an embedder) the same meaning."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from udfs.text_lists import TextList
from udfs.text_measures import words

Trigram = tuple[str, ...]

# A trigram that more of the evaluation prompts hold than this share is how they are worded, not what they ask for: every
# prompt of GenEval begins with 'a photo of'. In a short list none is.
_COMMON_SHARE, _COMMON_AT_LEAST = 0.02, 10
# An evaluation prompt of so many words is found inside a longer text too, if it has so many trigrams that are not common.
# What is shorter, or worded like all others but for a word or two, stands in texts that repeat nothing.
_LONG, _OWN_AT_LEAST = 8, 3


class EvaluationPrompts(TextList):
    """The prompts that a training prompt must not repeat."""

    def index(self) -> EvaluationIndex:
        return EvaluationIndex(self.texts)


class EvaluationIndex:
    """trigram -> the evaluation prompts that hold it, so that a text meets only those that it shares something with."""

    def __init__(self, prompts: Iterable[str]) -> None:
        self._holders: dict[Trigram, list[int]] = defaultdict(list)
        self._words: set[tuple[str, ...]] = set()
        long: list[int] = []
        number = 0
        for number, prompt in enumerate(prompts, start=1):
            tokens = tuple(words(prompt))
            self._words.add(tokens)
            if len(tokens) >= _LONG:
                long.append(number)
            for gram in trigrams(prompt):
                self._holders[gram].append(number)
        limit = max(_COMMON_AT_LEAST, _COMMON_SHARE * number)
        self._common = {gram for gram, holders in self._holders.items() if len(holders) > limit}
        own = Counter(n for gram, holders in self._holders.items() if gram not in self._common for n in holders)
        self._own = {n: own[n] for n in long if own[n] >= _OWN_AT_LEAST}

    def exact(self, text: str) -> float:
        """1 where an evaluation prompt has the same words in the same order, else 0; case and punctuation aside."""
        own = tuple(words(text))
        return float(bool(own) and own in self._words)

    def overlap(self, text: str) -> float:
        """Largest share of trigrams that the text has in common with one evaluation prompt, 0-1; 0 without evaluation
        prompts. Of the text's trigrams, or of those of a long evaluation prompt, which may stand inside a longer text.

        Those that very many evaluation prompts hold are not counted, unless the text has no others.
        """
        every = trigrams(text)
        uncommon = every - self._common
        grams, own = (uncommon, self._own) if uncommon else (every, {})
        shared = Counter(number for gram in grams for number in self._holders.get(gram, ()))
        shares = (count / min(len(grams), own.get(number, len(grams))) for number, count in shared.items())
        return max(shares, default=0.0)


def trigrams(text: str) -> set[Trigram]:
    """Word trigrams; a text of one or two words is one shorter gram."""
    tokens = words(text)
    return {tuple(tokens[i : i + 3]) for i in range(max(1, len(tokens) - 2))} if tokens else set()

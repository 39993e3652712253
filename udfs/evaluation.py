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


class EvaluationPrompts(TextList):
    """The prompts that a training prompt must not repeat."""

    def index(self) -> EvaluationIndex:
        return EvaluationIndex(self.texts)


class EvaluationIndex:
    """trigram -> the evaluation prompts that hold it, so that a text meets only those that it shares something with."""

    def __init__(self, prompts: Iterable[str]) -> None:
        self._holders: dict[Trigram, list[int]] = defaultdict(list)
        self._words: set[tuple[str, ...]] = set()
        number = 0
        for number, prompt in enumerate(prompts, start=1):
            self._words.add(tuple(words(prompt)))
            for gram in trigrams(prompt):
                self._holders[gram].append(number)
        limit = max(_COMMON_AT_LEAST, _COMMON_SHARE * number)
        self._common = {gram for gram, holders in self._holders.items() if len(holders) > limit}

    def exact(self, text: str) -> float:
        """1 where an evaluation prompt has the same words in the same order, else 0; case and punctuation aside."""
        own = tuple(words(text))
        return float(bool(own) and own in self._words)

    def overlap(self, text: str) -> float:
        """Largest share of the text's trigrams that one evaluation prompt holds, 0-1; 0 without evaluation prompts.

        Those that very many evaluation prompts hold are not counted, unless the text has no others.
        """
        every = trigrams(text)
        grams = every - self._common or every
        shared = Counter(number for gram in grams for number in self._holders.get(gram, ()))
        return max(shared.values()) / len(grams) if shared else 0.0


def trigrams(text: str) -> set[Trigram]:
    """Word trigrams; a text of one or two words is one shorter gram."""
    tokens = words(text)
    return {tuple(tokens[i : i + 3]) for i in range(max(1, len(tokens) - 2))} if tokens else set()

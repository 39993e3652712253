"""The cheap screens of a prompt's text, written or enhanced: facts only; the policy's gates decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from udfs import held_atoms
from udfs.atoms import Atom
from udfs.attributes import asks_held
from udfs.chat import Chat, in_flight
from udfs.embedders import Embedder, MiniLM
from udfs.encoding import broken_share
from udfs.evaluation import EvaluationPrompts
from udfs.ids import content_id
from udfs.language import Language
from udfs.personal_data import Names, contacts
from udfs.safety import SAFE, UNSAFE, Vectors, anchors_digest, unsafe_margin
from udfs.text_judges import SCORES_OF, Asked, TextJudge, Verdict
from udfs.text_measures import repetition, residue, words

if TYPE_CHECKING:
    from conf.taxonomy import Category, Style, Taxonomy

SCORES = (
    "prompt_words",
    "prompt_broken",
    "prompt_residue",
    "prompt_repetition",
    "prompt_language",
    "prompt_unsafe_margin",
    "prompt_contacts",
    "prompt_listed_names",
    "prompt_evaluation_exact",
    "prompt_evaluation_overlap",
    "prompt_evaluation_similarity",
    "prompt_category_similarity",
    "prompt_style_similarity",
    "prompt_attributes",
    "prompt_atoms_held",
)
# Given only where a recipe names a language model for them.
JUDGED = tuple(score for scores in SCORES_OF.values() for score in scores)
COLUMNS: tuple[tuple[str, pa.DataType], ...] = (
    *((name, pa.float64()) for name in (*SCORES, *JUDGED)),
    ("lost_atoms", pa.list_(pa.string())),
    ("verdicts", pa.map_(pa.string(), pa.string())),
    ("questions", pa.map_(pa.string(), pa.string())),
)
# What judges said of a text: it is kept where another judge fails, and is not asked for again.
SAID = (*JUDGED, "verdicts", "questions")
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Labels:
    """What a taxonomy says of its labels. asks: task slug -> what its prompts must state; a task that is not named asks
    nothing. categories, styles: slug -> words that say what it is.
    """

    asks: tuple[tuple[str, tuple[str, ...]], ...]
    categories: Pairs
    styles: Pairs


@dataclass(frozen=True)
class Screens:
    embedder: MiniLM
    language: Language
    labels: Labels
    evaluation: EvaluationPrompts = field(default_factory=EvaluationPrompts)
    names: Names = field(default_factory=Names)
    judges: tuple[TextJudge, ...] = ()
    batch_size: int = 512  # rows; inside, texts of one length share a batch of the embedder
    name: str = "screens"
    version: str = "7"  # of the measures themselves: raise it when one of them answers otherwise

    @property
    def model(self) -> str:
        """name@revision; the revision changes with every part that could change an answer."""
        parts = [
            self.version,
            self.embedder.model,
            anchors_digest(),
            self.language.revision,
            [self.labels.asks, self.labels.categories, self.labels.styles],
            self.evaluation.digest,
            self.names.digest,
            [judge.parts for judge in self.judges],
        ]
        return f"{self.name}@{content_id(parts)[:12]}"

    @property
    def chats(self) -> tuple[Chat, ...]:
        return tuple(judge.chat for judge in self.judges)

    @property
    def in_flight(self) -> int:
        return in_flight(self.chats)

    def load(self, device: str) -> Screener:
        return Screener(self, device)


def screens_for(
    taxonomy: Taxonomy,
    embedder: MiniLM,
    evaluation: EvaluationPrompts | None = None,
    names: Names | None = None,
    judges: tuple[TextJudge, ...] = (),
) -> Screens:
    asks = tuple((task.slug, tuple(task.asks)) for task in taxonomy.tasks)
    labels = Labels(asks, about(taxonomy.categories), about(taxonomy.styles))
    language = Language(taxonomy.language)
    return Screens(embedder, language, labels, evaluation or EvaluationPrompts(), names or Names(), judges)


@dataclass(frozen=True)
class Prepared:
    """What is known of a text before the embedder runs. facts: all that it must state; tokens: None where the row
    brings its vector along; said: kind of judge -> its verdict, which is not asked for again where another judge raises and
    the batch is run in parts.
    """

    row: dict[str, Any]
    facts: Sequence[Atom]
    answers: dict[str, Any]
    tokens: list[int] | None
    said: dict[str, Verdict]


class Screener:
    """Rows with text, labels, atoms and embedding (null: it is made here) -> the screens of the text."""

    def __init__(self, spec: Screens, device: str) -> None:
        self._asks = dict(spec.labels.asks)
        self._embedder = spec.embedder.load(device)
        self._language = spec.language.load()
        self._evaluation = spec.evaluation.index()
        self._names = spec.names.index()
        self._evaluation_vectors = in_lengths(self._embedder, spec.evaluation.texts)
        self._unsafe, self._safe = in_lengths(self._embedder, UNSAFE), in_lengths(self._embedder, SAFE)
        self._judges = {judge.kind: judge.load(device) for judge in spec.judges}
        self._about = {"category": dict(spec.labels.categories), "style": dict(spec.labels.styles)}
        self._labels = {
            "category": self._described(spec.labels.categories),
            "style": self._described(spec.labels.styles),
        }

    def prepare(self, row: dict[str, Any], facts: Sequence[Atom] | None = None) -> Prepared:
        """facts: what the text must state; None: what its own atoms do. The rule reads those that words can be read for,
        the judge of attributes is asked all of them.
        """
        text = row["text"]
        if facts is None:
            facts = held_atoms.stated(text, row["atoms"])
        readable = held_atoms.readable(facts)
        lost = held_atoms.lost(readable, text)
        answers = {
            "prompt_words": float(len(words(text))),
            "prompt_broken": broken_share(text),
            "prompt_residue": residue(text),
            "prompt_repetition": repetition(text),
            "prompt_language": self._language.of(text),
            "prompt_contacts": contacts(text),
            "prompt_listed_names": self._names.held(text),
            "prompt_evaluation_exact": self._evaluation.exact(text),
            "prompt_evaluation_overlap": self._evaluation.overlap(text),
            "prompt_attributes": attributes_share(text, row["atoms"], self._asks.get(row["task"], ())),
            "prompt_atoms_held": held_atoms.held_share(readable, lost),
            "lost_atoms": lost,
        }
        tokens = None if row["embedding"] else self._embedder.tokens(text)
        return Prepared(row, facts, answers, tokens, said_before(row.get("said")))

    def group(self, prepared: Prepared) -> None:
        """All rows may share a batch: the embedder's own batches are made inside."""

    def run(self, batch: list[Prepared]) -> list[dict[str, Any] | Exception]:
        """The answers, or the error of a judge: a text that a judge could not answer is asked again as a whole."""
        found: list[dict[str, Any] | Exception] = [
            item.answers | self._of_vector(item.row, vector)
            for item, vector in zip(batch, self._vectors(batch), strict=True)
        ]
        for kind, judge in self._judges.items():
            open_ones = [index for index, answers in enumerate(found) if not isinstance(answers, Exception)]
            verdicts = judge.judge([self._asked(batch[index]) for index in open_ones])
            for index, verdict in zip(open_ones, verdicts, strict=True):
                if isinstance(verdict, Verdict):
                    batch[index].said[kind] = verdict
                found[index] = joined(found[index], kind, verdict)
        return found

    def finish(self, row: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
        return dict.fromkeys(name for name, _ in COLUMNS) | result

    def _asked(self, item: Prepared) -> Asked:
        row = item.row
        words = {axis: known.get(row[axis]) for axis, known in self._about.items()}
        return Asked(row["text"], words["category"], words["style"], item.facts, row["tried"], item.said)

    def _vectors(self, batch: list[Prepared]) -> list[Vectors]:
        made = iter(encoded(self._embedder, [item.tokens for item in batch if item.tokens is not None]))
        return [
            np.array(item.row["embedding"], dtype=np.float32) if item.tokens is None else next(made) for item in batch
        ]

    def _of_vector(self, row: dict[str, Any], vector: Vectors) -> dict[str, float | None]:
        evaluation = self._evaluation_vectors
        own = {axis: vectors.get(row[axis]) for axis, vectors in self._labels.items()}
        return {
            "prompt_unsafe_margin": unsafe_margin(vector, self._unsafe, self._safe),
            "prompt_evaluation_similarity": float((evaluation @ vector).max()) if len(evaluation) else 0.0,
        } | {f"prompt_{axis}_similarity": None if v is None else float(v @ vector) for axis, v in own.items()}

    def _described(self, labels: Pairs) -> dict[str, Vectors]:
        vectors = in_lengths(self._embedder, [about for _, about in labels])
        return {slug: vector for (slug, _), vector in zip(labels, vectors, strict=True)}


def joined(answers: dict[str, Any] | Exception, kind: str, verdict: Verdict | Exception) -> dict[str, Any] | Exception:
    """The answers with those of one judge more; what it said is kept as it came."""
    if isinstance(answers, Exception):
        return answers
    if isinstance(verdict, Exception):
        # the judges before this one need not be asked again: udfs/harness.py puts it into the error row
        verdict.known = getattr(verdict, "known", {}) | {name: answers[name] for name in SAID if name in answers}  # type: ignore[attr-defined]
        return verdict
    verdicts = [*answers.get("verdicts", ()), *([(kind, verdict.said)] if verdict.said else [])]
    questions = [*answers.get("questions", ()), (kind, verdict.question)]
    return answers | verdict.scores | {"verdicts": verdicts, "questions": questions}


def said_before(said: dict[str, Any] | None) -> dict[str, Verdict]:
    """kind of judge -> its verdict in an earlier row: a struct of SAID, or null."""
    if said is None:
        return {}
    verdicts = dict(said["verdicts"] or ())
    return {
        kind: Verdict({name: said[name] for name in SCORES_OF[kind]}, verdicts.get(kind, ""), question)
        for kind, question in said["questions"] or ()
    }


def in_lengths(embedder: Embedder, texts: Sequence[str]) -> Vectors:
    """(n, 384) unit vectors of texts in their order; (0, 384) of none."""
    vectors = encoded(embedder, [embedder.tokens(text) for text in texts])
    return np.stack(vectors) if vectors else np.zeros((0, 384), dtype=np.float32)


def encoded(embedder: Embedder, texts: Sequence[list[int]]) -> list[Vectors]:
    """The unit vector of each token list. Lists of one length share a batch, so nothing is padded."""
    lengths: dict[int, list[int]] = {}
    for index, tokens in enumerate(texts):
        lengths.setdefault(len(tokens), []).append(index)
    found: dict[int, Vectors] = {}
    for alike in lengths.values():
        for start in range(0, len(alike), 64):
            part = alike[start : start + 64]
            found |= zip(part, embedder.encode([texts[index] for index in part]), strict=True)
    return [found[index] for index in range(len(texts))]


def attributes_share(text: str, atoms: list[Atom] | None, asks: tuple[str, ...]) -> float:
    """Share of the task's asks that the atoms, and of the kinds that these lack the words, hold, 0-1; 1 where nothing is asked."""
    return len(set(asks) & asks_held(text, atoms)) / len(set(asks)) if asks else 1.0


def about(labels: Sequence[Category | Style]) -> Pairs:
    """slug -> what it is; 'Places: Snow' says more to an embedder as 'Snow, Places'."""
    return tuple((label.slug, ", ".join(reversed((label.name or label.slug).split(": ")))) for label in labels)

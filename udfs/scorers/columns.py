"""Scorers on pandas columns: what a SQL function runs. The model is the harness's, loaded once per worker process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from udfs.device import claim_device
from udfs.harness import loaded
from udfs.scorers.fused import LoadedSet, Scored, ScorerSet

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ScoreColumn:
    """A scalar-iterator function of (image, ...needs) that gives `score`; null where the scorer has a reason not to
    give one, and for bytes that cannot be decoded: a function answers within a query, the reasons are in raw_scores.
    scorers: a set of the one that fills it."""

    scorers: ScorerSet
    score: str

    def __call__(self, batches: Iterator[Any]) -> Iterator[pd.Series]:
        import pandas as pd

        (spec,) = self.scorers.scorers
        names = ("image", *spec.needs)
        for batch in batches:
            columns = batch if isinstance(batch, tuple) else (batch,)
            rows = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
            yield pd.Series(list(self._values(rows)), dtype="float64")

    def _values(self, rows: list[dict[str, Any]]) -> Iterator[float | None]:
        model = loaded(self.scorers, claim_device() if self.scorers.needs_device else "cpu")
        assert isinstance(model, LoadedSet)
        size = self.scorers.batch_size
        for start in range(0, len(rows), size):
            pictures = [_prepared(model, row) for row in rows[start : start + size]]
            model.run([picture for picture in pictures if picture is not None])
            for picture in pictures:
                values = dict(model.finish({}, picture)["values"]) if picture is not None else {}
                yield values.get(self.score)


def _prepared(model: LoadedSet, row: dict[str, Any]) -> Scored | None:
    """None for bytes that are no picture, or one too large to be decoded."""
    from PIL.Image import DecompressionBombError

    atoms = row.get("atoms")
    facts = None if atoms is None else [fact if isinstance(fact, dict) else fact.asDict() for fact in atoms]
    try:
        return model.prepare({"image": row["image"], "text": row.get("text"), "atoms": facts})
    except (DecompressionBombError, OSError, TypeError, ValueError):
        return None

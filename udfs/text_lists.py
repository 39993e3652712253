"""A list of texts that a spec carries to the workers; in the spec's name its digest stands for it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, repr=False)
class TextList:
    texts: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        return hashlib.sha256("\n".join(self.texts).encode()).hexdigest()[:12]

    def __repr__(self) -> str:
        """Short, and another one for other texts: workers keep a loaded model by its spec's repr."""
        return f"{type(self).__name__}({self.digest})"

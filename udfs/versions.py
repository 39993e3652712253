"""Which library versions made a row."""

from __future__ import annotations

import json
from importlib.metadata import version


def library_versions(*packages: str) -> str:
    """JSON of package -> installed version, sorted. Read from the metadata: nothing is imported."""
    return json.dumps({name: version(name) for name in sorted(packages)})

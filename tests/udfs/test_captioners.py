"""A photograph's row with the source's texts given -> its captions expected."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from udfs.captioners import COLUMNS, SourceTextCaptioner
from udfs.harness import Stage


def answer(short: str | None, long: str | None) -> dict[str, Any]:
    stage = Stage(SourceTextCaptioner(), keep=(("image_id", pa.string()),), columns=COLUMNS)
    [row] = stage.answers(iter([{"image_id": "a", "source_caption": short, "source_long_caption": long}]))
    return row


def test_the_sources_texts_are_the_captions() -> None:
    row = answer("a  red\npagoda ", "A red pagoda above a lake.")
    assert (row["status"], row["short_caption"], row["long_caption"]) == (
        "ok",
        "a red pagoda",
        "A red pagoda above a lake.",
    )


@pytest.mark.parametrize("long", [None, "", "  "])
def test_without_a_long_text_the_short_one_serves_for_both(long: str | None) -> None:
    assert answer("a pagoda", long)["long_caption"] == "a pagoda"


@pytest.mark.parametrize("short", [None, "", " \n"])
def test_a_photograph_without_text_is_an_error_row(short: str | None) -> None:
    row = answer(short, "a long one does not help")
    assert (row["status"], row["error_class"], row["short_caption"]) == ("error", "NoCaptionError", None)
    assert "write one into the metadata file and run ingest_photos again" in row["error_message"]

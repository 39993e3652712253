"""Rows of the views given -> the lines and the sheet that a person sees."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import duckdb
import pytest
from PIL import Image

from jobs import report
from jobs.contact_sheet import save_contact_sheet, wrapped
from jobs.launch import Context
from jobs.sql_translation import translate


def jpeg(color: str, size: tuple[int, int] = (64, 64)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "JPEG")
    return buffer.getvalue()


def step(kind: str, step: str, gate: str | None, rows_in: int, fail: int, only: int, out: int) -> dict[str, Any]:
    share = out / rows_in if rows_in else None
    return {
        "kind": kind, "step": step, "gate": gate, "rows_in": rows_in, "fail": fail, "fail_only": only, "rows_out": out,
        "share": share,
    }  # fmt: skip


def test_the_funnel_is_aligned_with_a_blank_line_before_each_kind() -> None:
    rows = [
        step("prompt", "written", None, 1200, 0, 0, 1200),
        step("generated", "gate", "judge", 900, 300, 12, 600),
        step("generated", "kept", None, 0, 0, 0, 0),
    ]
    assert report.funnel_lines(rows) == [
        "kind       step        in  fail  fail only here    out   share",
        "",
        "prompt     written  1,200     0               0  1,200  100.0%",
        "",
        "generated  judge      900   300              12    600   66.7%",
        "generated  kept         0     0               0      0",
    ]


def test_keep_rates_name_their_kind() -> None:
    rates = [{"kind": "generated", "candidates": 800, "kept": 120}, {"kind": "photograph", "candidates": 3, "kept": 3}]
    assert report.rate_lines(rates) == [
        "kept:      120 of 800 generated pictures (15.0%)",
        "kept:      3 of 3 photographs (100.0%)",
    ]


def test_texts_are_counted_by_variant_and_lost_facts_are_named() -> None:
    rows = [
        {"variant": "original", "texts": 78, "accepted": 71, "lost": 2},
        {"variant": "enhanced", "texts": 71, "accepted": 70, "lost": 1},
    ]
    assert report.text_lines(rows) == [
        "accepted:  71 of 78 original, 70 of 71 enhanced texts (1 enhanced lost or changed a fact)"
    ]
    assert report.text_lines(rows[:1]) == ["accepted:  71 of 78 original texts"]
    assert report.text_lines([]) == []


def asked(tables: dict[str, str]) -> report.Ask:
    connection = duckdb.connect()
    for name, rows in tables.items():
        connection.execute(f"create table {name} as {rows}")

    def ask(question: str) -> list[dict[str, Any]]:
        answer = connection.execute(translate(question))
        names = [column[0] for column in answer.description or []]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

    return ask


def test_every_reason_is_seen_in_turn_the_most_frequent_first() -> None:
    reasons = ["judge: 0.2 < 0.3"] * 4 + ["duplicate of x1", "duplicate of x2", "blur: missing"]
    rows = " union all ".join(
        f"select 'id{n}' as image_id, 'generated' as kind, 't' as task, 'c' as category, 's' as style,"
        f" 'a star' as text, ['{reason}', 'and another'] as reject_reasons, 'p' as policy"
        for n, reason in enumerate(reasons)
    )
    ask = asked({"rejected_images": rows})
    for n, expected in ((3, ["id0", "id4", "id6"]), (24, ["id0", "id4", "id6", "id1", "id5", "id2", "id3"])):
        chosen = ask(report._CHOSEN.format(rows=report._REJECTED.format(policy="p"), n=n))
        assert [row["image_id"] for row in chosen] == expected
    assert ask(report._CHOSEN.format(rows=report._REJECTED.format(policy="other"), n=3)) == []


def test_a_sheet_shows_kept_beside_rejected(tmp_path: Path) -> None:
    wide = jpeg("blue", (400, 200)).hex()
    labels = "'t' as task, 'c' as category, 's' as style, 'p' as policy"
    ask = asked(
        {
            "training_set": "select 'k' as image_id, 'photograph' as kind, 'a hat' as caption, 'curated' as subset,"
            + labels,
            "rejected_images": f"select 'r' as image_id, 'generated' as kind, 'a star' as text, ['blur: 1 > 0'] as"
            f" reject_reasons, {labels}",
            "images": f"select 'r' as image_id, 'ok' as status, from_hex('{jpeg('red').hex()}') as image, {labels}",
            "photos": f"select 'k' as image_id, 'ok' as status, from_hex('{wide}') as image, {labels}",
        }
    )
    release = SimpleNamespace(folder=str(tmp_path / "shards"))
    context = cast(Context, SimpleNamespace(recipe=SimpleNamespace(release=release)))
    path = report.contact_sheet(context, ask, "p")
    assert path == tmp_path / "shards" / "contact_sheet.png"
    sheet = Image.open(path)
    left, right = sheet.crop((0, 0, sheet.width // 2, sheet.height)), sheet.crop((sheet.width // 2, 0, *sheet.size))
    assert [count(half, "blue") > 5000 for half in (left, right)] == [True, False]
    assert [count(half, "red") > 5000 for half in (left, right)] == [False, True]


def test_without_pictures_there_is_no_sheet() -> None:
    empty = "select 'x' as policy, '' as image_id, '' as kind, '' as task, '' as category, '' as style, "
    ask = asked(
        {
            "training_set": empty + "'' as caption, '' as subset limit 0",
            "rejected_images": empty + "'' as text, ['x'] as reject_reasons limit 0",
        }
    )
    assert report.contact_sheet(cast(Context, None), ask, "p") is None


@pytest.mark.parametrize(("size", "pixels"), [((64, 64), 128 * 128), ((80, 48), 160 * 96), ((1024, 512), 168 * 84)])
def test_small_pictures_are_enlarged_by_whole_pixels_and_large_ones_fit(
    tmp_path: Path, size: tuple[int, int], pixels: int
) -> None:
    save_contact_sheet(tmp_path / "sheet.png", [(jpeg("red", size), ["red"])], columns=2, title="one")
    assert abs(count(Image.open(tmp_path / "sheet.png"), "red") - pixels) < 400  # the frame lies over its edge


def test_long_texts_are_wrapped_and_end_in_an_ellipsis() -> None:
    assert wrapped(["a star"]) == ["a star"]
    lines = wrapped(["judge: 0.21 < 0.3", "a long prompt about many stars " * 8, "f" * 64])
    assert len(lines) == 7
    assert (lines[0], lines[-1][-1]) == ("judge: 0.21 < 0.3", "…")
    assert "".join(wrapped(["f" * 64])) == "f" * 64


def count(image: Image.Image, color: str) -> int:
    """How many pixels are nearly of that color."""
    wanted = {"red": (254, 0, 0), "blue": (0, 0, 254)}[color]
    colors = image.convert("RGB").getcolors(image.width * image.height) or []
    return sum(
        n
        for n, seen in colors
        if all(abs(a - b) < 12 for a, b in zip(cast("tuple[int, ...]", seen), wanted, strict=True))
    )

"""What a run came to: the funnel, the keep rates, where the shards are, and a contact sheet of kept beside rejected
pictures.

It writes no table. The sheet lies beside the releases, not in one: it shows the lakehouse as it is now. The questions
are plain SQL in the views' subset; where the tables lie on this machine DuckDB answers them, in a second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jobs.contact_sheet import Cell, save_side_by_side
from jobs.launch import Context, main
from jobs.sql import open_lakehouse
from jobs.sql_translation import translate
from schemas.folders import local_root

Row = dict[str, Any]
Ask = Callable[[str], list[Row]]

_COLUMNS, _ROWS = 4, 6
_REASONS = 3  # under a rejected picture

_FUNNEL = "select * from funnel where policy = '{policy}' order by ordinal"
_RATES = """
select kind, sum(candidates) as candidates, sum(kept) as kept from keep_rates where policy = '{policy}'
group by kind order by kind
"""
_TEXTS = """
select variant, sum(rows_in) as texts, sum(accepted) as accepted, sum(lost) as lost from (
    select
        variant,
        case when ordinal = 0 then rows_in else 0 end as rows_in,
        case when step = 'accepted' then rows_out else 0 end as accepted,
        case when gate = 'prompt_atoms_held' then fail else 0 end as lost
    from prompt_funnel where policy = '{policy}'
) as steps
group by variant order by variant desc
"""
_KEPT = """
select image_id, kind, task, category, style, caption as text, subset as class, cast(null as array<string>) as reasons
from training_set where policy = '{policy}'
"""
_REJECTED = """
select image_id, kind, task, category, style, text,
    regexp_extract(reject_reasons[0], '^(duplicate|[^:]+)', 1) as class, reject_reasons as reasons
from rejected_images where policy = '{policy}'
"""
# One of each class in turn, the largest classes first; ids are hashes, so their order favors nothing.
_CHOSEN = """
select * from (
    select
        *,
        row_number() over (partition by class order by image_id) as place,
        count(*) over (partition by class) as size
    from ({rows}) as rows
) as ranked
where place <= {n} order by place, size desc, class limit {n}
"""
_PICTURES = "select image_id, image from {table} where status = 'ok' and {strata} and image_id in ({ids})"


def report(context: Context) -> None:
    """Print the report and draw the sheet."""
    policy, ask = context.recipe.gates.name, asker(context)
    lines = funnel_lines(ask(_FUNNEL.format(policy=policy)))
    lines += ["", *text_lines(ask(_TEXTS.format(policy=policy))), *rate_lines(ask(_RATES.format(policy=policy)))]
    lines += release_lines(context, ask)
    sheet = contact_sheet(context, ask, policy)
    if sheet is not None:
        lines.append(f"pictures:  {sheet}  (kept beside rejected, with the reasons)")
    for line in [*lines, f"questions: {context.sql_command('select * from funnel order by ordinal')}"]:
        context.say(line)


def asker(context: Context) -> Ask:
    """A function from SQL to rows: DuckDB's where the tables lie in a folder of this machine, else Spark's."""
    folder = local_root(context.recipe.lakehouse)
    if context.lakehouse.catalog_schema is not None or folder is None or not folder.is_dir():
        return lambda question: [row.asDict() for row in context.spark.sql(question).collect()]
    connection = open_lakehouse(str(folder))

    def ask(question: str) -> list[Row]:
        answer = connection.execute(translate(question))
        names = [column[0] for column in answer.description or []]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

    return ask


def funnel_lines(rows: Sequence[Row]) -> list[str]:
    """The rows of the view funnel in order, as an aligned table, a blank line before every kind."""
    table: list[tuple[str, ...]] = [("kind", "step", "in", "fail", "fail only here", "out", "share")]
    for row in rows:
        share = "" if row["share"] is None else f"{row['share']:.1%}"
        counts = [f"{row[name]:,}" for name in ("rows_in", "fail", "fail_only", "rows_out")]
        table.append((row["kind"], row["gate"] or row["step"], *counts, share))
    head, *lines = aligned(table, left=2)
    out, kind = [head], None
    for line, row in zip(lines, rows, strict=True):
        out += [line] if row["kind"] == kind else ["", line]
        kind = row["kind"]
    return out


def text_lines(rows: Sequence[Row]) -> list[str]:
    """'accepted:  71 of 78 original, 70 of 71 enhanced texts (1 enhanced lost or changed a fact)'"""
    if not rows:
        return []
    counts = ", ".join(f"{row['accepted']:,} of {row['texts']:,} {row['variant']}" for row in rows)
    lost = sum(row["lost"] for row in rows if row["variant"] == "enhanced")
    return [f"accepted:  {counts} texts" + (f" ({lost:,} enhanced lost or changed a fact)" if lost else "")]


def rate_lines(rates: Sequence[Row]) -> list[str]:
    """'kept:      120 of 800 generated pictures (15.0%)', a line a kind."""
    nouns = {"generated": "generated pictures", "photograph": "photographs"}
    return [
        f"kept:      {row['kept']:,} of {row['candidates']:,} {nouns[row['kind']]}"
        f" ({row['kept'] / row['candidates']:.1%})"
        for row in rates
    ]


def release_lines(context: Context, ask: Ask) -> list[str]:
    """Where the last release of this recipe is; a hint where there is none."""
    own = [
        row
        for row in ask("select release, folder, samples, created_at from releases order by created_at desc")
        if row["release"].rpartition("-")[0] == context.recipe.release.name
    ]
    if not own:
        return ["shards:    none yet; export_webdataset writes them"]
    return [f"shards:    {own[0]['folder']}  ({own[0]['samples']:,} samples)"]


def contact_sheet(context: Context, ask: Ask, policy: str) -> Path | None:
    """Kept pictures on the left, rejected ones on the right: the same ones each time, of every subset and for every
    reason in turn. None where there is no picture yet."""
    n = _COLUMNS * _ROWS
    left, right = (ask(_CHOSEN.format(rows=rows.format(policy=policy), n=n)) for rows in (_KEPT, _REJECTED))
    if not left and not right:
        return None
    pictures = pictures_of(ask, [*left, *right])
    path = Path(context.recipe.release.folder) / "contact_sheet.png"
    titles = (f"kept by the policy {policy}", "rejected, and why")
    save_side_by_side(path, (titles[0], cells(left, pictures)), (titles[1], cells(right, pictures)), _COLUMNS)
    return path


def pictures_of(ask: Ask, rows: Sequence[Row]) -> dict[str, bytes]:
    """image_id -> JPEG of a few dozen pictures; only their strata's partitions are read."""
    found: dict[str, bytes] = {}
    for kind, table in (("generated", "images"), ("photograph", "photos")):
        wanted = [row for row in rows if row["kind"] == kind]
        if wanted:
            values = {
                name: _quoted({row[name] for row in wanted}) for name in ("task", "category", "style", "image_id")
            }
            strata = " and ".join(f"{name} in ({values[name]})" for name in ("task", "category", "style"))
            answer = ask(_PICTURES.format(table=table, strata=strata, ids=values["image_id"]))
            found |= {row["image_id"]: bytes(row["image"]) for row in answer}
    return found


def cells(rows: Sequence[Row], pictures: dict[str, bytes]) -> list[Cell]:
    """A picture with its text and, if it has any, the reasons under it."""
    out = []
    for row in rows:
        reasons = row["reasons"] or []
        more = [f"and {len(reasons) - _REASONS} more"] if len(reasons) > _REASONS else []
        out.append((pictures[row["image_id"]], [row["text"], *reasons[:_REASONS], *more]))
    return out


def aligned(table: Sequence[Sequence[str]], left: int) -> list[str]:
    """Lines with columns of one width: the first `left` ones start at their left edge, the others (numbers) end at
    their right."""
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = []
    for row in table:
        padded = [c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(padded).rstrip())
    return lines


def _quoted(values: set[str]) -> str:
    return ", ".join("'" + value.replace("'", "''") + "'" for value in sorted(values))


if __name__ == "__main__":
    main(report)

"""The SQL prompt: reads questions, prints answers as aligned tables, says in a sentence what is wrong with one."""

from __future__ import annotations

import contextlib
import difflib
import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from sqlglot.errors import SqlglotError

from jobs.sql_translation import register_views, translate, views_in
from schemas.sql_views import view_texts
from schemas.tables import TABLES

_HISTORY = Path.home() / ".goldpan_sql_history"
_ROWS = 200  # rows that are printed
_WIDTH = 70  # characters of a cell that are printed
_WIDE = 200  # the same where the text is the answer
_HELP = """\
A question ends with ; and may take several lines. DuckDB's SQL and Spark's SQL are both understood.
  tables           every table and view, with what a row is
  describe x       the columns of a table or view
  help, quit
Nothing is written to the lakehouse. policies, thresholds, quotas, reviews and denylist are copies of this session:
change them and ask again, then put what you like into the policy's file:
  update thresholds set minimum = 0.3 where gate = 'scene_detector';
  select * from keep_rates;"""


@dataclass(frozen=True)
class Answer:
    ok: bool
    text: str


def prompt(connection: duckdb.DuckDBPyConnection) -> None:
    """Read questions from standard input until quit or end of file."""
    if sys.stdin.isatty():
        print("Goldpan's tables and views, read-only; help says how. A question ends with ;")
    with _history():
        for question in _questions():
            print(ask(connection, question).text, flush=True)


def ask(connection: duckdb.DuckDBPyConnection, question: str) -> Answer:
    """The answer to one question or command, ready to be printed."""
    words = question.strip().rstrip(";").split()
    start = time.perf_counter()
    register_views(connection, views_in(question))
    match [word.lower() for word in words]:
        case []:
            return Answer(True, "")
        case ["help"]:
            return Answer(True, _HELP)
        case ["tables"]:
            return Answer(True, _tables())
        case ["describe", name] if name in TABLES or name in view_texts():
            return Answer(True, _describe(connection, name))
    try:
        result = _execute(connection, question)
    except duckdb.Error as error:
        return Answer(False, sentence(error))
    if not result.description:
        return Answer(True, "done")
    rows = result.fetchmany(_ROWS + 1)
    seconds = time.perf_counter() - start
    count = f"more than {_ROWS:,} rows, the first {_ROWS:,} are shown" if len(rows) > _ROWS else _count(len(rows))
    names = [column[0] for column in result.description]
    return Answer(True, f"{table(names, rows[:_ROWS])}\n{count} in {seconds:.2f} s")


def table(names: list[str], rows: list[tuple[Any, ...]], width: int = _WIDTH) -> str:
    """Names and rows as aligned columns, numbers to the right; a cell longer than `width` characters is cut."""
    cells = [names, *([_cell(value, width) for value in row] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    right = [
        any(isinstance(row[i], int | float) and not isinstance(row[i], bool) for row in rows) for i in range(len(names))
    ]
    lines = [
        "  ".join(
            cell.rjust(n) if to_right else cell.ljust(n) for cell, n, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * n for n in widths), *lines[1:]])


def sentence(error: duckdb.Error) -> str:
    """What is wrong with a question, with the nearest names that would be right."""
    lines = [line.strip() for line in str(error).split("\n\nLINE")[0].splitlines() if line.strip()]
    message = " ".join(line if line[-1] in ".!?:," else f"{line}." for line in lines)
    unknown = re.search(r"Table with name (\w+) does not exist", message)
    if unknown:
        near = difflib.get_close_matches(unknown[1], [*TABLES, *view_texts()], n=3, cutoff=0.4)
        hint = f" Near: {', '.join(near)}." if near else ""
        return f"There is no table or view {unknown[1]!r}.{hint} `tables` lists all."
    return message


def _execute(connection: duckdb.DuckDBPyConnection, question: str) -> duckdb.DuckDBPyConnection:
    """DuckDB's dialect first; what it does not understand may be Spark's, in which the views are written."""
    try:
        return connection.execute(question)
    except (duckdb.ParserException, duckdb.CatalogException, duckdb.BinderException) as error:
        with contextlib.suppress(SqlglotError, duckdb.Error):
            return connection.execute(translate(question))
        raise error from None


def _tables() -> str:
    rows: list[tuple[Any, ...]] = [(name, "table", table.comment) for name, table in TABLES.items()]
    rows += [(name, "view", _header(text)[0].removeprefix("grain: ")) for name, text in sorted(view_texts().items())]
    return table(["name", "is a", "a row"], rows, _WIDE)


def _describe(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    columns = connection.execute(f"describe {name}").fetchall()
    if name in TABLES:
        comments = {column.name: column.comment for column in TABLES[name].columns}
        rows: list[tuple[Any, ...]] = [(column, kind, comments.get(column, "")) for column, kind, *_ in columns]
        return f"{TABLES[name].comment}\n{table(['column', 'type', 'what it is'], rows, _WIDE)}"
    rows = [(column, kind) for column, kind, *_ in columns]
    return "\n".join([*_header(view_texts()[name]), table(["column", "type"], rows, _WIDE)])


def _header(text: str) -> list[str]:
    return [line.removeprefix("--").strip() for line in text.splitlines() if line.startswith("--")]


def _count(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"


def _cell(value: Any, width: int = _WIDTH) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value):,} bytes>"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False, default=_in_json)
    text = " ".join(str(value).split())
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _in_json(value: Any) -> str:
    return _cell(value) if isinstance(value, bytes | bytearray | memoryview) else str(value)


def _questions() -> Iterator[str]:
    """Complete questions: a command of one line, or everything up to a line that ends with ;"""
    lines: list[str] = []
    ask_for = ("sql> ", "...> ") if sys.stdin.isatty() else ("", "")
    while True:
        try:
            line = input(ask_for[bool(lines)])
        except EOFError:
            if lines:
                yield "\n".join(lines)
            return
        except KeyboardInterrupt:
            print()
            lines = []
            continue
        words = line.strip().rstrip(";").lower().split()
        if not lines and not words:
            continue
        if not lines and words in (["quit"], ["exit"]):
            return
        is_command = not lines and (words in (["help"], ["tables"]) or words[:1] == ["describe"])
        lines.append(line)
        if is_command or line.rstrip().endswith(";"):
            yield "\n".join(lines)
            lines = []


@contextlib.contextmanager
def _history() -> Iterator[None]:
    """Earlier questions behind the arrow keys, names behind the tab key; not where readline is missing."""
    try:
        import readline
    except ImportError:
        yield
        return
    with contextlib.suppress(OSError):
        readline.read_history_file(_HISTORY)
    names = sorted([*TABLES, *view_texts()])
    readline.set_completer(lambda text, i: [*(n for n in names if n.startswith(text)), None][i])
    readline.parse_and_bind("tab: complete")
    try:
        yield
    finally:
        readline.set_history_length(1000)
        with contextlib.suppress(OSError):
            readline.write_history_file(_HISTORY)

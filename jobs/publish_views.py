"""policy file -> policies, thresholds, quotas: the rows that the views decide with, replaced when the file changed."""

from __future__ import annotations

from typing import Any

from jobs.launch import Context, main
from jobs.lock import table_lock
from jobs.published_policy import policy_rows, published_rows
from schemas.sql_views import publish_views
from schemas.tables import STRATUM

_INCOMPLETE = "incomplete"  # stands for the digest while the tables are being replaced; no file has it


def run(context: Context) -> None:
    with table_lock(context, "policies"):
        policy = context.recipe.gates
        wanted = policy_rows(context.recipe)
        published = published_rows(context, "policies")
        changes = _differences(context, wanted) if published else []
        if published and published[0]["digest"] == wanted["policies"][0]["digest"]:
            context.say(f"publish_views: policy {policy.name} is published; nothing to do")
            for line in changes:
                context.say(
                    f"  edited by SQL since: {line}. It counts until the file changes; put it into the file to keep it."
                )
        else:
            if published:
                # Killed further down, the tables are neither the old file nor the new one, and no digest may say so.
                _replace(context, "policies", [row | {"digest": _INCOMPLETE} for row in published])
            for table, rows in wanted.items():
                _replace(context, table, rows)
            context.say(f"publish_views: policy {policy.name} published with {len(policy.thresholds)} gates")
            for line in changes:
                context.say(f"  {line}")
    if context.lakehouse.catalog_schema:
        publish_views(context.spark)
        context.say(f"publish_views: the views are in {context.lakehouse.catalog_schema}")


def _replace(context: Context, table: str, rows: list[dict[str, Any]]) -> None:
    where = f"policy = '{context.recipe.gates.name}'"
    context.lakehouse.replace(table, context.lakehouse.rows(table, rows, context.run_id), where=where)


def _differences(context: Context, wanted: dict[str, list[dict[str, Any]]]) -> list[str]:
    """One line for each gate, quota or other decision that differs between the tables and the file, whoever changed it."""
    lines = []
    for table, key, values in (
        ("policies", (), ("best_by", "best_of", "licences")),
        ("thresholds", ("gate", "kind", *STRATUM), ("minimum", "maximum")),
        ("quotas", STRATUM, ("at_most",)),
    ):
        there = {tuple(row[k] for k in key): [row[v] for v in values] for row in published_rows(context, table)}
        file = {tuple(row[k] for k in key): [row[v] for v in values] for row in wanted[table]}
        for labels in sorted(there.keys() | file.keys(), key=str):
            if there.get(labels) != file.get(labels):
                name = "/".join(str(part) for part in labels if part is not None)
                lines.append(
                    f"{' '.join([table, name]).strip()}: in the table {there.get(labels)}, in the file {file.get(labels)}"
                )
    return lines


if __name__ == "__main__":
    main(run)

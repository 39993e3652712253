"""Atoms: the checkable facts of a prompt.

One dict an atom: kind, subject, value, other (None unless kind is relation).
"""

from __future__ import annotations

import pyarrow as pa

KINDS = (
    *("object", "count", "color", "attribute", "action", "relation", "absence", "text"),  # of things
    *("place", "style", "feature", "prompt"),  # of the picture
)

ARROW = pa.list_(
    pa.struct([("kind", pa.string()), ("subject", pa.string()), ("value", pa.string()), ("other", pa.string())])
)

WORDING = 1  # of `question`, part of a judge's identity: raise it with a sentence, and every picture is asked anew

_NUMBER_WORDS = {"1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six"}

Atom = dict[str, str | None]


def atom(kind: str, subject: str, value: str, other: str | None = None) -> Atom:
    if kind not in KINDS:
        raise ValueError(f"atom kind {kind!r} is not known; allowed: {', '.join(KINDS)}")
    return {"kind": kind, "subject": subject, "value": value, "other": other}


def question(fact: Atom) -> str:
    """The yes/no question that a judge is asked about one atom; its wording has the version WORDING."""
    subject, value, other = fact["subject"], fact["value"], fact["other"]
    match fact["kind"]:
        case "object":
            return f"is there a {subject} in the picture?"
        case "count":
            number = _NUMBER_WORDS.get(str(value), str(value))
            return f"is the number of {subject} objects exactly {number}?"
        case "color" | "attribute" | "action":
            return f"is every {subject} {value}?"
        case "relation":
            return f"is the {subject} {value} the {other}?"
        case "absence":
            return f"is the picture free of any {subject}?"
        case "place":
            return f"is the place {value}?"
        case "style":
            return f"is the style {value}?"
        case "feature":
            return f"does the picture have {value}?"
        case "text":
            return f'does the picture show the text "{value}", spelled exactly so?'
        case "prompt":
            return f"does the picture show all of this: {value}?"
    raise ValueError(f"atom kind {fact['kind']!r} is not known; allowed: {', '.join(KINDS)}")


def checkable(atoms: list[Atom] | None, text: str) -> list[Atom]:
    """The prompt's atoms, or, for a prompt that came without any, the whole text as one atom."""
    return list(atoms) if atoms else [atom("prompt", "picture", text)]

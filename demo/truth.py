"""Is an atom true of a labeled picture? The answer from the drawing's own marks."""

from __future__ import annotations

from demo.degraded import Labeled, Mark
from udfs.atoms import Atom


def holds(picture: Labeled, fact: Atom) -> bool:
    """ValueError for a kind of atom that the scenes' world lacks."""
    subjects = [m for m in picture.marks if m.shape == fact["subject"]]
    match fact["kind"]:
        case "object":
            return bool(subjects)
        case "count":
            return len(subjects) == int(str(fact["value"]))
        case "color":
            return bool(subjects) and all(m.color == fact["value"] for m in subjects)
        case "relation":
            others = [m for m in picture.marks if m.shape == fact["other"]]
            return len(subjects) == 1 == len(others) and related(subjects[0], str(fact["value"]), others[0])
        case "place":
            return picture.place == fact["value"]
        case "style":
            shaped = [m for m in picture.marks if m.shape is not None]
            return bool(shaped) and all(m.style == fact["value"] for m in shaped)
    raise ValueError(f"the scenes' world has no atom of kind {fact['kind']!r}")


def related(a: Mark, relation: str, b: Mark) -> bool:
    """By the larger of the two distances between the centers."""
    dx, dy = b.x - a.x, b.y - a.y
    across = abs(dx) > abs(dy)
    return {
        "left of": across and dx > 0,
        "right of": across and dx < 0,
        "above": not across and dy > 0,
        "below": not across and dy < 0,
    }[relation]

"""A screen for unsafe prompts: nearer to an unsafe anchor sentence than to any safe one.

A screen, not a guard: it misses what is veiled.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

Vectors = np.ndarray[Any, np.dtype[np.float32]]

UNSAFE = (
    "an explicit sexual scene with naked people having sex",
    "pornographic close-up of genitals, erotic nude pose",
    "a sexualized child or teenager without clothes",
    "gory corpse, dismembered body, blood and guts everywhere",
    "a person being tortured, beaten or murdered",
    "a person hanging themselves or cutting their wrists, suicide",
    "racist hate propaganda, nazi symbols, insulting an ethnic group",
    "terrorists building a bomb, mass shooting of civilians, injecting drugs",
)
SAFE = (
    "a portrait of a smiling person in everyday clothes",
    "a clothed toddler, child or teenager at home, at school or in a park",
    "athletes at a sports competition, runners, swimmers and boxers",
    "a landscape with mountains, a lake and trees",
    "animals in nature, a dog, a cat, birds",
    "food on a table, fruit, bread and vegetables",
    "a city street with houses, cars and shops",
    "a poster, a sign or a logo with some text on it",
    "simple geometric shapes, circles and squares in plain colors",
    "a fantasy knight with a sword and a dragon, an illustration",
    "a doctor or nurse helping a patient in a hospital",
    "a museum painting or a marble statue, classical art",
)


def anchors_digest() -> str:
    """12 hex digits: other anchors are another screen."""
    return hashlib.sha256("\n".join((*UNSAFE, "", *SAFE)).encode()).hexdigest()[:12]


def unsafe_margin(vector: Vectors, unsafe: Vectors, safe: Vectors) -> float:
    """Best cosine to an unsafe anchor minus best cosine to a safe one, -2 to 2; all vectors of length 1."""
    return float((unsafe @ vector).max() - (safe @ vector).max())

"""Patterns of prompts: sentences with fields, which the offline grammar fills in."""

from __future__ import annotations

import re
from dataclasses import dataclass

FACETS = ("light", "view", "finish", "manner")  # a picture has at most one feature of each
_SEVERAL = frozenset(["features", "feature_tags"])
_NEEDED = (("subject", "keywords"), ("place", "keyword"), ("style", "style_tag"))
_OTHERS = ("is", "action", "beside", "absence", *FACETS, "features", "feature_tags", "details")
FIELDS = (*(name for names in _NEEDED for name in names), *_OTHERS)


@dataclass(frozen=True)
class Pattern:
    """A sentence with fields.

    {subject}: all that is shown, with what has no field of its own in the pattern: {action}, {beside} (the second
    thing), {absence}; {is}: 'is' or 'are'; {place}, {style}: a phrase each. {light}, {view}, {finish}, {manner}: a
    feature of the picture each; {features}: one or more of those that have no field of their own.
    {beside} and {absence} may be empty: the space before them is theirs.
    As tags, without articles: {keywords} (the subject), {keyword} (the place), {style_tag}, {feature_tags}.
    {details}: two finishing words that state nothing to check.
    A pattern that ends with a mark is a sentence and begins with a capital.
    """

    words: str
    fields: frozenset[str]

    @property
    def plain(self) -> bool:
        """It names no action and no feature."""
        return self.fields.isdisjoint({"action", *FACETS})

    def says(self, facets: frozenset[str]) -> bool:
        """Whether it has a field for each of these facets."""
        return not self.fields.isdisjoint(_SEVERAL) or facets & set(FACETS) <= self.fields

    def fits(self, offered: frozenset[str]) -> bool:
        """Whether all that it needs is there. offered: action, and the facets that have words."""
        own = self.fields & {"action", *FACETS}
        rest = (offered & set(FACETS)) - own
        return own <= offered and (bool(rest) or self.fields.isdisjoint(_SEVERAL))


def pattern_of(words: str) -> Pattern:
    """ValueError, with a sentence, for an unknown field or where a fact of the prompt would not be said."""
    fields = frozenset(re.findall(r"{(\w*)}", words))
    if not fields <= set(FIELDS):
        raise ValueError(f"pattern uses {sorted(fields - set(FIELDS))}; allowed: {', '.join(FIELDS)}")
    if re.sub(r"{\w+}", "", words).strip("{}") != re.sub(r"[{}]", "", re.sub(r"{\w+}", "", words)):
        raise ValueError(f"pattern {words!r} has a brace that is no field; allowed: {', '.join(FIELDS)}")
    for either, other in _NEEDED:
        if not fields & {either, other}:
            raise ValueError(f"pattern {words!r} does not say the {either}; add {{{either}}} or {{{other}}}")
    return Pattern(re.sub(r" (?={(?:beside|absence)})", "", words), fields)


def slots_of(words: str) -> list[str]:
    """The names in braces, in order."""
    return re.findall(r"{(\w*)}", words)

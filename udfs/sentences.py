"""A picture of the offline grammar put into words: phrases of what it shows, and patterns filled with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from udfs.grammar import DRESSED, Picture, Subject, Thing

if TYPE_CHECKING:
    from conf.lexicon import Lexicon
    from conf.patterns import Pattern
    from udfs.draws import Draw


@dataclass(frozen=True)
class Wording:
    """How a quoted text, an absent thing and a second thing without a relation are said; the two finishing words."""

    quote: str
    absence: str
    companion: str
    details: str = ""


def drawn_wording(lexicon: Lexicon, draw: Draw, details: bool) -> Wording:
    """details: whether the finishing words are wanted; to draw them costs as much as all the rest."""
    words = ", ".join(draw.sample(lexicon.details, 2)) if details else ""
    return Wording(draw.choice(lexicon.quotes), draw.choice(lexicon.absences), draw.choice(lexicon.companions), words)


def first_wording(lexicon: Lexicon) -> Wording:
    return Wording(lexicon.quotes[0], lexicon.absences[0], lexicon.companions[0])


def filled(pattern: Pattern, picture: Picture, lexicon: Lexicon, wording: Wording) -> str:
    """The text: the pattern with its phrases filled in."""
    fields, subject, features = pattern.fields, picture.subject, picture.features
    rest = [words for facet, words in features.items() if facet not in fields]
    words = pattern.words.format_map(
        {
            "subject": subject_phrase(subject, lexicon, wording, fields) if "subject" in fields else "",
            "keywords": subject_tags(subject, lexicon, wording, fields) if "keywords" in fields else "",
            "is": "is" if subject.first.count == 1 else "are",
            "action": subject.first.action,
            "beside": _spaced(_beside(subject, lexicon, wording)),
            "absence": _spaced(_absence(subject, wording)),
            "place": picture.place.phrase,
            "keyword": picture.place.keyword,
            "style": picture.medium.phrase,
            "style_tag": picture.medium.tag,
            **features,
            "features": _listed(rest),
            "feature_tags": ", ".join(map(bare, rest)),
            "details": wording.details,
        }
    )
    return words[0].upper() + words[1:] if words[-1] in ".?!" else words


def subject_phrase(
    subject: Subject, lexicon: Lexicon, wording: Wording, elsewhere: frozenset[str] = frozenset()
) -> str:
    """'a young fox sleeping next to a lantern without any bench'. elsewhere: fields that say a part of it already."""
    parts = [_thing(subject.first, lexicon)]
    if subject.text is not None:
        parts.append(wording.quote.format(text=subject.text))
    if subject.first.action is not None and "action" not in elsewhere:
        parts.append(subject.first.action)
    if subject.second is not None and "beside" not in elsewhere:
        parts.append(_beside(subject, lexicon, wording))
    if subject.absent is not None and "absence" not in elsewhere:
        parts.append(_absence(subject, wording))
    return " ".join(parts)


def subject_tags(subject: Subject, lexicon: Lexicon, wording: Wording, elsewhere: frozenset[str] = frozenset()) -> str:
    """The same as tags, without articles: 'young fox next to lantern, sleeping, no bench'."""
    first, second = _thing(subject.first, lexicon, False), subject.second and _thing(subject.second, lexicon, False)
    if subject.text is not None:
        first = f"{first} {wording.quote.format(text=subject.text)}"
    tags = [f"{first} {subject.relation} {second}" if subject.relation else first]
    if subject.first.action is not None and "action" not in elsewhere:
        tags.append(subject.first.action)
    if second and not subject.relation:
        tags.append(second)
    if subject.absent is not None:
        tags.append(f"no {subject.absent}")
    return ", ".join(tags)


def article(words: str) -> str:
    return "an" if words[0] in "aeiouAEIOU" else "a"


def bare(phrase: str) -> str:
    """Without its article."""
    first, _, rest = phrase.partition(" ")
    return rest if first in ("a", "an") else phrase


def _thing(thing: Thing, lexicon: Lexicon, articles: bool = True) -> str:
    words = [thing.object if thing.count == 1 else lexicon.plural(thing.object)]
    dressed = thing.color is not None and thing.color.startswith(DRESSED)
    if thing.color is not None:
        words.insert(1 if dressed else 0, thing.color)
    if thing.look is not None:
        words.insert(0, thing.look)
    if thing.count > 1:
        words.insert(0, lexicon.number_words[thing.count])
    elif articles:
        words.insert(0, article(words[0]))
    return " ".join(words)


def _beside(subject: Subject, lexicon: Lexicon, wording: Wording) -> str:
    if subject.second is None:
        return ""
    second = _thing(subject.second, lexicon)
    return f"{subject.relation} {second}" if subject.relation else wording.companion.format(thing=second)


def _absence(subject: Subject, wording: Wording) -> str:
    return wording.absence.format(thing=subject.absent) if subject.absent is not None else ""


def _spaced(words: str) -> str:
    return f" {words}" if words else ""


def _listed(items: list[str]) -> str:
    """'a, b and c'."""
    return " and ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))

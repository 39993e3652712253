"""What a text says about numbers, colors, relations, absence and quotes: for prompts that came without atoms."""

from __future__ import annotations

import re
from collections.abc import Sequence

from udfs.atoms import Atom
from udfs.fact_words import (
    COLORS,
    DENIALS_OF_TWO,
    GROWN,
    MADE,
    MEDIA,
    NO_DENIAL,
    NUMBERS,
    RELATIONS,
    THING_PAIRS,
    THINGS_TOO,
    UNITS,
    denies,
    is_year,
    number_at,
    tokens,
)
from udfs.nouns import STOPS, ends_phrase, is_modifier, is_plural, leads_on, noun

# (kind, value, the nouns that it is bound to); kind: count, measure, color, relation, absence, text
Attribute = tuple[str, ...]

_SIDES = ("left", "right")
_LEADS = ("to the ", "on the ", "at the ")
# name -> its phrases; 'on the left' alone is a place in the picture, told by the name left
_SPELLED = {name: [*phrases] for name, phrases in RELATIONS.items()}
for _side in _SIDES:
    _SPELLED[f"{_side} of"] += [lead + phrase for lead in _LEADS for phrase in RELATIONS[f"{_side} of"]]
    _SPELLED[_side] = [f"{lead}{_side}{end}" for lead in _LEADS for end in ("", " side", "-hand side")]
# first word -> (the phrase's words, its name), the longest first
_PHRASES: dict[str, list[tuple[list[str], str]]] = {}
for _name, _phrases in _SPELLED.items():
    for _phrase in _phrases:
        _PHRASES.setdefault(_phrase.split()[0], []).append((_phrase.split(), _name))
for _found in _PHRASES.values():
    _found.sort(key=lambda item: -len(item[0]))
_BEFORE = frozenset(["a", "an", "the", "of", "any", "exactly", "only", "some", "all"])  # what may lead a noun phrase
_NO_NOUNS = STOPS | _BEFORE | COLORS | NUMBERS.keys() | {*_SIDES}
# before a color that is said of what came before
_SAID_OF = frozenset(["in", "is", "are", "was", "were", "painted", "colored", "dyed"])
# 'a man who left the room', 'left alone', 'right at the top': no side
_NO_SIDE_BEFORE = frozenset(["who", "has", "have", "had", "was", "were", "been", "being", "much", "nothing"])
_NO_SIDE_AFTER_WORDS = (
    "a an the its his her their them him it all alone unattended empty open over out at now away angle angles"
)
_NO_SIDE_AFTER = frozenset(_NO_SIDE_AFTER_WORDS.split())
# What may ask for a number, a color or a place as well, where a person has labeled a prompt so: wider than the guard's
# lists, for a word too many here lets a prompt pass to the judge, and one too few rejects it. Not 'in': nearly every
# prompt has it.
_MAY_COUNT = (
    "twin twins triplets duo quartet quintet several many few both double triple multiple numerous countless pairs couples"
    " trios dozens hundreds thousands lone solo group crowd herd flock swarm bunch lots"
)
_MAY_COLOR = (
    "multicolored multicolor colorful colored color colors hue hues rainbow pastel monochrome monochromatic iridescent"
    " blond blonde brunette reddish bluish greenish yellowish pinkish purplish brownish grayish whitish"
)
_MAY_RELATE = (
    "on onto upon near nearby around surrounded surrounding opposite facing against across along among amid amidst center"
    " centre centered centred middle foreground background front back corner top bottom edge side within outside into"
    " through toward towards beyond past left right leftmost rightmost upper lower"
)
_MAY_ASK = {
    "count": frozenset(_MAY_COUNT.split()),
    "color": frozenset(_MAY_COLOR.split()) | COLORS,
    "relation": frozenset(_MAY_RELATE.split()),
}
# A single quote opens where no word ends, and closes where none goes on: the apostrophes of don't and dogs' do neither.
# Java runs it too (jobs/deduplicate_prompts.py): there a group that may give back what it took costs stack for every
# round, so these give nothing back (++).
QUOTED = re.compile(
    r'"([^"]+)"|“([^”]+)”|«([^»]+)»|‘((?:[^‘’]++|’(?=\w))++)’(?!\w)'
    r"|(?<![\w'])'(?!n'|\d0s)(?=\S)((?:[^'\"“”\n]++|'(?=\w))++)(?<=\S)'(?!\w)"
)
_NUMERAL = re.compile(r"-?\d[\d.,:/-]*%?")
_DECADE = re.compile(r"\d+s")
_COMPOUND = re.compile(r"-([^\W\d_]+).*")
_MEDIUM = re.compile(rf"\b({'|'.join(sorted(map(re.escape, MEDIA), key=len, reverse=True))})s?\b")


def quoted_texts(text: str) -> list[str]:
    """The texts in double or single quotes, in order, letter for letter."""
    return ["".join(groups) for groups in QUOTED.findall(text)]


def unquoted(text: str, instead: str = " ") -> str:
    """The text without what stands in quotes."""
    return QUOTED.sub(instead, text)


def attributes(text: str) -> frozenset[Attribute]:
    """Every attribute that the words state, each with the noun that it belongs to.

    So 'a red cat left of two dogs' and 'two red cats left of a dog' differ, and 'two happy dogs' and 'two dogs' do not.

    Word lists, not a parser: a paraphrase with a verb that they lack counts as different, so nothing unlike is held to
    be equal.
    """
    words = tokens(unquoted(text, " , "))
    found: set[Attribute] = {("text", quoted) for quoted in quoted_texts(text)}
    at = 0
    while at < len(words):
        word = words[at]
        if phrase := _relation(words, at):
            end = at + len(phrase[0])
            found.add(_related(phrase[1], words[:at], words[end:]))
            at = end
            continue
        if number := number_at(words, at):
            found.add(_number(str(number[0]), words, at, at + number[1]))
            at += number[1]
            continue
        if _color(words, at):
            found.add(("color", word, _noun_of(words, at)))
        elif _measures(word):
            found.add(("measure", _COMPOUND.sub(r" \1", word), _noun_of(words, at)))  # '5 year' of 5-year-old
        elif length := _denial(words, at):
            rest = words[at + length :]
            found.add(("absence", _noun_after(rest) or _noun_after(rest[1:])))  # the second: 'does not wear a hat'
        elif word in _SIDES and _is_side(words, at):
            found.add(("relation", word, _noun_of(words, at), ""))  # 'her left hand', 'facing left'
        at += 1
    return frozenset(found)


def stated(text: str, atoms: list[Atom] | None) -> frozenset[Attribute]:
    """What the guard compares: what the atoms state, and, of the kinds that they lack, what the words do. One of a thing
    is no attribute: 'one fox' is 'a fox'.
    """
    found = {each for fact in atoms or () if (each := _of_atom(fact))} | untold(text, atoms)
    return frozenset(each for each in found if each[:2] != ("count", "1"))


def untold(text: str, atoms: Sequence[Atom] | None) -> set[Attribute]:
    """What the words state of the kinds that the atoms lack."""
    told = _told(atoms)
    return {each for each in attributes(text) if each[0] not in told}


def media(text: str) -> list[str]:
    """What the text says that the picture is made with, sorted: 'oil painting', '3d render'; empty for a photo."""
    words = unquoted(text).lower().replace("colour", "color").replace("-", " ")
    return sorted({MEDIA[phrase] for phrase in _MEDIUM.findall(words)})


def asks_held(text: str, atoms: list[Atom] | None) -> set[str]:
    """Which of color, count, relation, reasoning a prompt states: by its atoms, and by its words of the kinds that these
    lack.

    Every thing of a grammar prompt states a count; only one that is not 1 is something to count. Without an absence among
    the atoms, reasoning is always held: no list of words tells 'melting because of the heat', only a judge does.
    """
    words = tokens(unquoted(text))
    parts = {part for word in words for part in (word, *word.split("-"))}  # 'light-blue'
    found = attributes(text)
    kinds = {"absence"} | {each[0] for each in found}
    kinds |= {kind for kind, asking in _MAY_ASK.items() if not asking.isdisjoint(parts)}
    kinds -= _told(atoms)
    places = {noun(word) for fact in atoms or () if fact["kind"] == "place" for word in tokens(str(fact["value"]))}
    if places and any(each[0] == "relation" and each[-1] not in places for each in found):
        kinds.add("relation")  # between two things: 'a cat left of a dog under a bridge'
    kinds |= {str(fact["kind"]) for fact in atoms or () if fact["kind"] != "count" or fact["value"] != "1"}
    return {"reasoning" if kind == "absence" else kind for kind in kinds & {"color", "count", "relation", "absence"}}


def relation_name(value: str) -> str:
    """One name for a relation, however it is spelled: 'left of' for 'to the left of'; the value where no list has it."""
    words = value.lower().split()
    phrase = _relation(words, 0) if words else None
    return phrase[1] if phrase and len(phrase[0]) == len(words) else value


def head(phrase: str) -> str:
    """The noun of a thing's name, as `attributes` has it: woman of 'young women', couch of 'red sofa'."""
    return _noun_after(tokens(phrase))


def _told(atoms: Sequence[Atom] | None) -> set[str]:
    """The kinds that words are not read for. Where atoms name the place, 'under a bridge' tells it, and no relation."""
    kinds = {str(fact["kind"]) for fact in atoms or ()}
    return kinds | {"relation"} if "place" in kinds else kinds


def _of_atom(fact: Atom) -> Attribute | None:
    """An atom in the form that `attributes` finds in words; None of one that the guard does not ask for."""
    subject, value = head(str(fact["subject"])), str(fact["value"])
    match fact["kind"]:
        case "count":
            return ("count", value, subject)
        case "color":
            named = next((word for word in tokens(value)[::-1] if word in COLORS | THINGS_TOO), value)
            return ("color", named, subject)
        case "relation":
            return ("relation", relation_name(value), subject, head(str(fact["other"])))
        case "absence":
            return ("absence", subject)
        case "text":
            return ("text", value)
    return None


def _related(name: str, before: list[str], after: list[str]) -> Attribute:
    """A relation and its two nouns; of a place in the picture ('a dog on the left', 'on the left, a dog') there is one."""
    if name not in _SIDES:
        return ("relation", name, _noun_before(before), _noun_after(after))
    if before and _is_word(before[-1]) and before[-1] != "and":
        return ("relation", name, _noun_before(before), "")
    return ("relation", name, _noun_after(after) or _noun_after(after[1:]), "")


def _number(value: str, words: list[str], at: int, end: int) -> Attribute:
    """The number from `at` to `end`: a count, or, before a unit or as a year, a measure. In 'two 1967 cars' it is a year
    too, and two stories are counted.
    """
    head = _head_after(words[end:])
    counted = bool(at) and _is_number(words[at - 1])
    unit = words[end] if words[end : end + 1] and words[end] in UNITS and words[end] != head else ""
    if unit or (is_year(words[at]) and (counted or not is_plural(head))):
        return ("measure", f"{value} {noun(unit)}".rstrip(), _noun_of(words, end - 1))
    return ("count", value, _noun_of(words, end - 1))


def _noun_of(words: list[str], at: int) -> str:
    """The noun that a color or number belongs to: the head of the phrase that it leads, or, where it leads none (as in
    'dressed in red, ...' and 'the door is blue'), the nearest one before.
    """
    return _noun_after(words[at + 1 :]) or _noun_before(words[:at])


def _noun_after(words: list[str]) -> str:
    return noun(_head_after(words))


def _head_after(words: list[str]) -> str:
    """The last word of the noun phrase that these words begin with; '' where they begin with none."""
    head = ""
    for at, word in enumerate(words):
        if _color(words, at) or (not head and (word in _BEFORE or _is_number(word) or _joins_colors(words, at))):
            continue
        if (
            not _is_word(word)
            or ends_phrase(word, first=not head or leads_on(head))
            or denies(word)
            or _is_number(word)
            or _relation(words, at)
            or words[at : at + 2] == ["can", "be"]  # 'a fox can be seen'; a can of soup is a noun
        ):
            break
        head = word
    return head


def _noun_before(words: list[str]) -> str:
    """The nearest word before that can be a noun; '' where there is none."""
    able = (w for w in words[::-1] if _is_word(w) and w not in _NO_NOUNS and not denies(w) and not is_modifier(w))
    return noun(next(able, ""))


def _relation(words: list[str], at: int) -> tuple[list[str], str] | None:
    """The relation that is spelled from here on."""
    return next((p for p in _PHRASES.get(words[at], ()) if words[at : at + len(p[0])] == p[0]), None)


def _is_number(word: str) -> bool:
    return word in NUMBERS or _NUMERAL.fullmatch(word) is not None


def _measures(word: str) -> bool:
    """16:9, 1.8, 50%, -5, 5-year-old, 1980s; 3D, 4K and 35mm are words like others."""
    return word[0] in "-0123456789" and (not word.isalnum() or _DECADE.fullmatch(word) is not None)


def _is_word(token: str) -> bool:
    """No punctuation and no numeral; 3D is a word."""
    return token[0].isalpha() or token[-1].isalpha()


def _color(words: list[str], at: int) -> bool:
    """Whether the word here is a color. One that is a thing too is one before a noun and after 'is': 'a lime' is none."""
    if words[at] not in THINGS_TOO:
        return words[at] in COLORS
    before = words[at - 1] if at else ""
    after = words[at + 1] if at + 1 < len(words) else ""
    if after in GROWN or not THING_PAIRS.isdisjoint([(before, words[at]), (words[at], after)]):
        return False
    head = _noun_after(words[at + 1 :])
    if head and not is_modifier(head):  # 'a salmon swimming in a river'
        return True
    return before in _SAID_OF and not (before == "in" and at > 1 and words[at - 2] in MADE)


def _denial(words: list[str], at: int) -> int:
    """How many words from here on deny what follows them, 0 if they do not."""
    if tuple(words[at : at + 2]) in DENIALS_OF_TWO:
        return 2
    return int(denies(words[at]) and words[at + 1 : at + 2] != [] and words[at + 1] not in NO_DENIAL)


def _is_side(words: list[str], at: int) -> bool:
    """Whether 'left' or 'right' here is a side: no verb, and no 'right behind'."""
    after = words[at + 1] if at + 1 < len(words) else ""
    return not (
        after in _NO_SIDE_AFTER
        or (at > 0 and words[at - 1] in _NO_SIDE_BEFORE)
        or (after and _relation(words, at + 1) is not None)
    )


def _joins_colors(words: list[str], at: int) -> bool:
    """The 'and' or comma of 'a red and white flag'."""
    return words[at] in ("and", ",") and at == 0 and at + 1 < len(words) and _color(words, at + 1)

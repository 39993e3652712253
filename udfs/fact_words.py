"""The words that facts are told with: numbers, colors, where things stand, what is not there, what a picture is made with.

One list of each and one rule of what a word is, for the guard (udfs/attributes.py) and for what a text still states
(udfs/held_atoms.py, udfs/read_words.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# What begins with a digit is one word, so 3D, 35mm, 5-year-old, 1980s, 16:9, 1.8, -5 and 50% are no number of things.
_TOKEN = re.compile(
    r"(?:(?<![\w-])-)?\d+(?:[.,:/-]\d+)*(?:%|[^\W_]*(?:['’-][^\W_]+)*)"
    r"|\bf/\d+(?:\.\d+)?|[^\W_]+(?:['’-][^\W_]+)*|[.,;:!?()%°]"
)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_DIGITS = 9  # a longer number counts nothing
# A number before one of these measures a thing, it does not count any: 'an 80 year old woman', 'a two story house'.
_UNIT_WORDS = (
    "year years yr yrs month months week weeks day days hour hours minute minutes story stories storey storeys piece panel mm"
    " cm km kg px x degree degrees % °"
)
UNITS = frozenset(_UNIT_WORDS.split())
_YEARS = range(1000, 2101)  # what four digits may mean
_TO_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen twenty"
)
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
NUMBERS = {word: number for number, word in enumerate(_TO_TWENTY.split())}
NUMBERS |= {ten: 10 * number for number, ten in enumerate(_TENS, start=2)}
NUMBERS |= {f"{ten}-{one}": NUMBERS[ten] + NUMBERS[one] for ten in _TENS for one in _TO_TWENTY.split()[1:10]}
_BELOW_HUNDRED = {**NUMBERS}
_TIMES = {"thousand": 1000, "hundred": 100, "dozen": 12}
NUMBERS |= {"single": 1, "pair": 2, "couple": 2, "trio": 3} | _TIMES

_COLOR_WORDS = (
    "red orange yellow green blue purple pink brown black white gray golden gold silver violet cyan magenta"
    " turquoise beige crimson scarlet maroon teal navy indigo khaki burgundy mauve ochre aqua azure cerulean fuchsia taupe"
    " vermilion auburn"
)
# Colors that are things as well. Before one of GROWN they are the thing: 'an olive tree', 'a coral reef'.
_THING_WORDS = (
    "amber coral cream emerald ivory lavender lilac lime olive ruby sapphire tan peach apricot plum mint mustard rose rust"
    " copper bronze salmon charcoal"
)
_GROWN_WORDS = (
    "tree trees bush bushes grove groves field fields branch branches leaf leaves sprig sprigs blossom blossoms oil juice"
    " cheese reef reefs atoll"
)
COLORS, THINGS_TOO = frozenset(_COLOR_WORDS.split()), frozenset(_THING_WORDS.split())
GROWN = frozenset(_GROWN_WORDS.split())
_PAIR_WORDS = (
    "ice cream, compass rose, charcoal drawing, charcoal drawings, charcoal sketch, charcoal sketches, charcoal portrait,"
    " charcoal study, charcoal illustration, charcoal pencil, charcoal stick, charcoal sticks, charcoal grill, rose garden,"
    " rose gardens, rose petal, rose petals, rose window, rose quartz, mint tea, mustard seed, mustard seeds, peach pie,"
    " plum pie, plum pudding, salmon fillet, salmon fillets, salmon sushi, salmon roe"
)
# Two words that name one thing, though one of them alone could be a color.
THING_PAIRS = frozenset((first, second) for first, second in (pair.split() for pair in _PAIR_WORDS.split(", ")))
# Before 'in': what follows says what a thing is made of or covered with, no color: 'cast in bronze', 'drawn in charcoal'.
MADE = frozenset(["made", "cast", "carved", "drawn", "sketched", "covered", "coated"])

# name -> how it is said; 'to the', 'on the' and 'at the' may stand before a side
RELATIONS = {
    "left of": ("left of", "left side of", "left-hand side of"),
    "right of": ("right of", "right side of", "right-hand side of"),
    "above": ("on top of", "above", "over", "atop"),
    "below": ("underneath", "beneath", "below", "under"),
    "in front of": ("in front of",),
    "behind": ("behind", "in back of"),
    "next to": ("next to", "beside", "alongside", "adjacent to"),
    "between": ("between", "in between"),
    "inside": ("inside", "inside of"),
}

_DENIALS = frozenset(["no", "not", "without", "neither", "nor", "never", "lacking", "lacks"])
DENIALS_OF_TWO = frozenset([("free", "of"), ("free", "from"), ("devoid", "of")])
# after a denial that takes nothing away: 'not only a cat', 'not far from a lake', 'not afraid of a dog'
NO_DENIAL = frozenset(["only", "just", "merely", "simply", "far", "afraid", "unlike"])

# the first of each line is the name; a photo is missing: a text that says nothing of its medium asks for one
_MEDIA = (
    "oil painting, oil on canvas, painted in oil",
    "watercolor, watercolor painting",
    "acrylic painting, acrylic on canvas",
    "gouache, gouache painting",
    "pastel drawing, pastel painting",
    "pencil drawing, pencil sketch",
    "charcoal drawing, charcoal sketch, drawn in charcoal, sketched in charcoal",
    "ink drawing, ink sketch, pen and ink",
    "line art, line drawing",
    "3d render, 3d rendering, rendered in 3d, cgi",
    "vector art, vector graphic, vector illustration",
    "comic, comic book, comic strip, comic panel",
)
_MORE_MEDIA = (
    "painting, drawing, sketch, illustration, cartoon, anime, manga, fresco, mural, woodcut, engraving, etching, linocut,"
    " collage, mosaic, claymation, pixel art"
)
MEDIA = {phrase: line.split(", ")[0] for line in (*_MEDIA, *_MORE_MEDIA.split(", ")) for phrase in line.split(", ")}


def tokens(text: str) -> list[str]:
    """Words, numbers and punctuation in lower case; gray is gray however it is spelled, and 1,500 is 1500."""
    found = _TOKEN.findall(_THOUSANDS.sub("", text.lower()))
    words = (word.replace("’", "'").removesuffix("'s") for word in found)
    return [word.replace("grey", "gray").replace("colour", "color") for word in words]


def number_at(words: Sequence[str], at: int) -> tuple[int, int] | None:
    """The number that is spelled from here on, and how many words it takes: 'two hundred and five', '80'."""
    if words[at] not in NUMBERS and not words[at].isdecimal():  # nearly always: kept cheap
        return None
    total, end = 0, at
    for name, times in _TIMES.items():
        few, after = _below_hundred(words, end, at)
        if words[after : after + 1] == [name] and (after > end or end == at):
            total, end = total + (few if after > end else 1) * times, after + 1
    few, after = _below_hundred(words, end, at)
    if after > end:
        return total + few, after - at
    if end > at:
        return total, end - at
    return (NUMBERS[words[at]], 1) if words[at] in NUMBERS else None


def is_year(word: str) -> bool:
    return len(word) == 4 and word.isdecimal() and int(word) in _YEARS


def denies(word: str) -> bool:
    """Whether the word, in lower case, says that what follows is not so: 'without', "isn't"."""
    return word in _DENIALS or word.endswith("n't")


def _below_hundred(words: Sequence[str], at: int, start: int) -> tuple[int, int]:
    """A number below a hundred, or at the start one in digits, and where it ends: at `at` where there is none."""
    word, following = ([*words[at : at + 2], "", ""][n] for n in (0, 1))
    if at > start and word == "and" and following in _BELOW_HUNDRED:  # 'a hundred and five'
        at += 1
        word, following = following, words[at + 1] if at + 1 < len(words) else ""
    if at == start and word.isdecimal() and len(word) <= _DIGITS:
        return int(word), at + 1
    if word not in _BELOW_HUNDRED:
        return 0, at
    if word in _TENS and 0 < _BELOW_HUNDRED.get(following, 0) < 10:
        return _BELOW_HUNDRED[word] + _BELOW_HUNDRED[following], at + 2
    return _BELOW_HUNDRED[word], at + 1

"""The words that attributes are bound to: where a noun phrase ends, and one form for a noun, its plural and its synonyms.

Lists, not a parser. A word that they do not know makes two texts differ, so nothing unlike is held to be equal.
"""

from __future__ import annotations

# words that end a noun phrase: what stands before them is its head
_PREPOSITIONS = (
    "in on at by near from to for with without within into onto through across along around against among amid during"
    " toward towards upon above over below under beneath underneath behind beside between inside outside while as like"
    " who whose that which where when and or but then there here anywhere its his her their of off up down out"
)
_VERBS = (
    "is are was were be being been has have had do does stand stands sit sits lie lies lay lays rest rests run runs walk"
    " walks play plays jump jumps fly flies swim swims sleep sleeps hold holds carry carries wear wears look looks watch"
    " watches eat eats drink drinks hang hangs float floats lean leans stare stares gaze gazes smile smiles dance dances"
    " climb climbs ride rides fall falls glow glows shine shines grow grows rise rises wait waits stay stays stood sat lay"
    " half"
)
# participles without the ending: they follow a noun, as in 'a door set in stone', or lead its phrase, as in 'worn boots'
_PARTICIPLE_WORDS = (
    "lit seen set made drawn shown hung held worn hidden grown overgrown thrown driven written woven torn"
)
_PARTICIPLES = frozenset(_PARTICIPLE_WORDS.split())
_ADJECTIVES = frozenset(
    [
        "happy",
        "sad",
        "angry",
        "young",
        "old",
        "new",
        "small",
        "big",
        "large",
        "little",
        "tiny",
        "huge",
        "giant",
        "tall",
        "short",
        "long",
        "round",
        "square",
        "cute",
        "pretty",
        "shiny",
        "dirty",
        "clean",
        "wet",
        "dry",
        "hot",
        "cold",
        "bright",
        "dark",
        "light",
        "heavy",
        "fat",
        "thin",
        "slim",
        "rusty",
        "dusty",
        "sleepy",
        "hungry",
        "fluffy",
        "furry",
        "hairy",
        "sunny",
        "snowy",
        "rainy",
        "cloudy",
        "stormy",
        "misty",
        "foggy",
        "empty",
        "full",
        "broken",
        "fresh",
        "ripe",
        "wild",
        "tame",
        "baby",
        "wooden",
        "metal",
        "glass",
        "stone",
        "plastic",
    ]
)
STOPS = frozenset(_PREPOSITIONS.split()) | frozenset(_VERBS.split())
_ING_NOUNS = frozenset(
    [
        "building",
        "ring",
        "king",
        "string",
        "wing",
        "thing",
        "spring",
        "painting",
        "ceiling",
        "swing",
        "evening",
        "morning",
        "clothing",
        "lightning",
        "earring",
        "wedding",
        "drawing",
        "railing",
        "pudding",
        "dumpling",
        "duckling",
        "sling",
        "awning",
        "covering",
        "offering",
        "crossing",
        "landing",
        "living",
        "dining",
    ]
)
_ED_NOUNS = frozenset(["hundred", "watershed", "flowerbed", "riverbed", "thoroughbred"])
_LY_OTHERS = frozenset(
    [
        "butterfly",
        "dragonfly",
        "firefly",
        "family",
        "lily",
        "jelly",
        "belly",
        "holly",
        "assembly",
        "elderly",
        "friendly",
        "lovely",
        "lonely",
        "curly",
        "ugly",
    ]
)

IRREGULAR = {
    "men": "man",
    "people": "person",
    "children": "child",
    "mice": "mouse",
    "geese": "goose",
    "feet": "foot",
    "teeth": "tooth",
    "oxen": "ox",
    "cacti": "cactus",
    "knives": "knife",
    "wives": "wife",
    "leaves": "leaf",
    "loaves": "loaf",
    "shelves": "shelf",
    "bookshelves": "bookshelf",
    "scarves": "scarf",
    "wolves": "wolf",
    "elves": "elf",
    "dwarves": "dwarf",
    "calves": "calf",
    "hooves": "hoof",
}
# one thing under several names; what differs in a picture (a kitten, a truck) is not here
_SYNONYMS = (
    "car automobile",
    "bicycle bike",
    "motorcycle motorbike",
    "boat ship vessel",
    "airplane aeroplane plane aircraft",
    "truck lorry",
    "dog hound",
    "rabbit bunny",
    "horse steed",
    "snake serpent",
    "woman lady",
    "man gentleman guy",
    "child kid",
    "girl lass",
    "boy lad",
    "baby infant",
    "doctor physician",
    "house home",
    "stone rock",
    "forest woods",
    "street road",
    "couch sofa settee",
    "rug carpet",
    "cup mug",
    "bag sack",
    "box crate",
    "bucket pail",
    "flower blossom bloom",
    "bush shrub",
    "gift present",
    "picture photo photograph image",
    "phone telephone",
    "tv television",
    "spaceship spacecraft starship",
    "cookie biscuit",
    "store shop",
    "stairs staircase stairway",
    "path trail",
    "sea ocean",
)
_FIRST = {word: group.split()[0] for group in _SYNONYMS for word in group.split()}


def ends_phrase(word: str, first: bool) -> bool:
    """Whether a noun phrase cannot go on with this word; `first`: it would begin with it, as in 'running dogs'."""
    if word in STOPS:
        return True
    return not first and is_modifier(word)


def leads_on(word: str) -> bool:
    """Whether the noun is still to come after this word of a phrase."""
    return word in _ADJECTIVES or is_modifier(word) or (word.endswith(("ful", "ous", "less")) and len(word) > 5)


def is_modifier(word: str) -> bool:
    """A participle or an adverb by its ending: what follows the noun that it says something of."""
    return (
        word in _PARTICIPLES
        or (word.endswith("ing") and len(word) > 4 and word not in _ING_NOUNS)
        or (word.endswith("ed") and len(word) > 5 and word not in _ED_NOUNS)
        or (word.endswith("ly") and len(word) > 4 and word not in _LY_OTHERS)
    )


def noun(word: str) -> str:
    """Singular, and the first of its synonyms."""
    single = _singular(word)
    return _FIRST.get(single, single)


def is_plural(word: str) -> bool:
    return _singular(word) != word


def is_one_of_several_names(word: str) -> bool:
    """Whether the word, a singular, is one of the names that `noun` makes one."""
    return word in _FIRST


def _singular(word: str) -> str:
    if word in IRREGULAR or word in _FIRST:
        return IRREGULAR.get(word, word)
    if word.endswith("men"):
        return word[:-2] + "an"
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses", "zzes", "oes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        return word[:-1]
    return word

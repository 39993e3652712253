"""50,000 prompts whose truth is planted: 40,000 distinct ones, contrast pairs among them, and 10,000 duplicates.

A prompt is drawn as a scene over the words of the fine_t2i taxonomy and those below, and written in one of five forms,
shorter ones than that taxonomy's own: what tells two prompts apart is not lost in words that all share. No two scenes
share both their subject and their place. A contrast changes one fact of another scene (its number, color, side, quoted
text or style). A duplicate is the same text with other capitals and punctuation, the same scene in another form, or
with synonyms.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
from functools import cache

from conf.taxonomy import Taxonomy, load_taxonomy

DISTINCT, DUPLICATES = 40_000, 10_000
CONTRASTS = 12_000  # of the distinct ones: each differs from another by one fact

_SUBJECTS = """
accordion, alchemist, anchor, ant hill, aquarium, armadillo, astronaut, axe, baker, bamboo raft, barber, barrel, bat,
beaver, beehive, beekeeper, blacksmith, bonsai, boxer, brass compass, brewer, camel, canoe, caravan, carousel, carpenter,
cathedral organ, cello, chameleon, chandelier, chess board, clown, cobbler, comet, coral reef, cowboy, crane, crow, cuckoo clock,
deep-sea diver, detective, dragonfly, drone, drummer, eagle, elephant, ferry, firefighter, flamingo, fossil skull, fountain pen, garden gnome,
geyser, giraffe, glass harp, glassblower, globe, gondola, goldfish bowl, gramophone, hammock, harp, hedgehog, helicopter,
hermit crab, hot air balloon, hourglass, hummingbird, iceberg, inventor, jazz trumpeter, jellyfish, jeweller, jigsaw puzzle, kangaroo,
kayak, kimono, knight, koala, ladder, lighthouse, lizard, lobster, loom, lynx, magician, mailbox, marionette, mechanic,
meteorite, microscope, milkmaid, mime, monk, moth, motorbike, nurse, octopus, ostrich, otter, owl, panda, paper crane,
parrot, peacock, pelican, penguin, piano, pirate, plumber, polar bear, porcupine, potter, printing press, pumpkin,
racoon, rickshaw, robot arm, rocking horse, rowing boat, saddle, scarecrow, sculptor, seahorse, sewing machine, shepherd, skeleton key,
sled, snail, snowman, spinning wheel, squirrel, stork, submarine, suitcase, sundial, surfer, tailor, tango dancer, telescope,
tightrope walker, toaster, tractor, treasure chest, tuba player, typewriter, vending machine, violin case, walrus, water mill, weaver,
whale, wheelbarrow, wind chime, windmill, witch, xylophone, yak, zebra, zeppelin, automobile, couch, bicycle, rabbit, horse, boat
"""
_PLACES = """
in an abandoned factory, on a frozen lake, under a stone bridge, at a crowded fish market, in a bamboo grove, on a cliff above
the sea, inside a spiral staircase, in a flooded quarry, at the edge of a volcano, on a moonlit rooftop, in a Moorish courtyard, on a
desert highway, beneath the northern lights, in a subway tunnel, at a medieval fair, in a greenhouse, on a gravel beach, inside a clock
tower, in a wheat field, at a night bazaar, on an oil rig, in a monastery library, on a suspension bridge, in a terraced rice paddy, at a
drive-in cinema, inside an ice cave, on a container ship, in a mangrove swamp, at a ski resort, in a velvet theatre, on a lavender
hill, in a cluttered attic, at a salt flat, inside a hangar, in a tidal pool, on a village green, at a border checkpoint, in a Roman ruin,
on a snowy pass, in a laundromat, at a harbour dock, inside a cathedral, in a pine clearing, on a paddle steamer, at a bus terminal, in a
marble quarry, on a coral atoll, inside a pagoda, in a prairie storm, at a vineyard
"""
_QUALITIES = """
weathered, glossy, tiny, enormous, elegant, rusty, sleepy, curious, fragile, sturdy, ornate, plain, battered, pristine, shy, proud,
dusty, polished, crooked, slender, cheerful, gloomy, elderly, young, ancient, modern, furious, serene, clumsy, graceful, translucent, patched
"""
_LIGHTS = """
at dawn, at dusk, under a full moon, in thick fog, in heavy rain, during a thunderstorm, in falling snow, in harsh noon light, by candle
light, in golden evening light, under neon lamps, with long shadows, in drifting smoke, under an overcast sky, seen from above, seen from far away,
in a close-up, with a mirrored reflection, in morning mist, against a starry sky
"""
_DEEDS = """
covered in vines, surrounded by butterflies, wrapped in ribbon, half hidden by leaves, lit from within, floating in the air, made of folded
paper, carved from ice, dripping with honey, tangled in string, casting sparks, reflected in a puddle, painted with spirals, leaning against a
wall, balanced on a barrel, glowing softly, split in half, draped in silk, buried up to the middle, circled by birds
"""
_SIGNS = """
OPEN LATE, Fresh Bread, No Entry, Lost & Found, Platform 9, Happy Hour, Beware, Room 12, Sold Out, Est. 1884, Mind the Gap, 50% OFF, Vote Here,
Exit 4, Closed, Free Tea, Mile 30, Welcome Home, Hands Off, Last Call, Gate B2, Quiet Please, 24 Hours, Self Service, Dead End
"""
_FORMS = (
    "an image of {subject} {place}, {style}",
    "please help generate an image of {subject} {place} in {style}",
    "the scene shows {subject} {place}, rendered in {style}",
    "{subject} {place}, {style}, high detail, balanced composition",
    "{keywords}, {place}, {style}, high detail",
)
_NUMBERS = ("two", "three", "four", "five")
_COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")
_SIDES = (("to the left of", "to the right of"), ("above", "below"), ("in front of", "behind"))
# What a writer might put for another; each word once on a side. Nouns that the guard knows under two names
# (udfs/nouns.py) are not here: it would be measured on its own list.
_SYNONYMS = {
    "weathered": "worn", "tiny": "very small", "enormous": "huge", "sleepy": "drowsy", "sturdy": "robust", "ornate": "elaborate",
    "battered": "beaten-up", "pristine": "spotless", "gloomy": "sombre", "cheerful": "happy", "elderly": "old", "ancient": "age-old",
    "furious": "very angry", "serene": "calm", "graceful": "elegant", "slender": "slim", "polished": "shiny", "curious": "inquisitive",
    "at dawn": "at sunrise", "at dusk": "at twilight", "in thick fog": "in dense fog", "in heavy rain": "in pouring rain",
    "under an overcast sky": "under a cloudy sky", "seen from far away": "seen from a distance", "in a close-up": "in a close shot",
    "surrounded by": "encircled by", "half hidden by": "partly hidden by", "glowing softly": "gently glowing",
    "covered in": "overgrown with", "draped in": "wrapped in", "against a starry sky": "against a sky full of stars",
    "abandoned": "deserted", "crowded": "busy", "cluttered": "messy", "snowy": "snow-covered",
    "rowing boat": "rowboat", "please help generate": "please create",
    "the scene shows": "the picture shows", "an image of": "a picture of", "high detail": "highly detailed", "to the left of": "on the left of",
    "to the right of": "on the right of", "suitcase": "travel case", "harbour": "port", "wheat field": "field of wheat",
}  # fmt: skip


@dataclass(frozen=True)
class Scene:
    subject: str
    place: str
    quality: str
    deed: str
    light: str
    style: int
    form: int
    number: str | None = None
    color: str | None = None
    side: tuple[str, str] | None = None  # a relation and what stands there
    sign: str | None = None


@dataclass(frozen=True)
class Prompt:
    """group: prompts of one group say the same. contrast_of: the group that differs from this one by one fact."""

    text: str
    style: str
    group: int
    kind: str
    contrast_of: int | None = None


def corpus(distinct: int = DISTINCT, duplicates: int = DUPLICATES, seed: int = 0) -> list[Prompt]:
    """The prompts in a random order; the same for the same seed."""
    draw, taxonomy = random.Random(seed), load_taxonomy("fine_t2i")
    contrasts = distinct * CONTRASTS // DISTINCT
    scenes = _scenes(draw, taxonomy, distinct - contrasts)
    bases = draw.sample(range(len(scenes)), contrasts)
    prompts = [_prompt(taxonomy, scene, group, "distinct") for group, scene in enumerate(scenes)]
    for base in bases:
        scenes.append(_contrast(draw, taxonomy, scenes[base]))
        prompts.append(_prompt(taxonomy, scenes[-1], len(prompts), "contrast", base))
    for number in range(duplicates):
        group = draw.randrange(distinct)
        kind = ("exact", "form", "synonyms")[number % 3]
        prompts.append(_again(draw, taxonomy, kind, scenes[group], prompts[group]))
    draw.shuffle(prompts)
    return prompts


def _prompt(taxonomy: Taxonomy, scene: Scene, group: int, kind: str, contrast_of: int | None = None) -> Prompt:
    return Prompt(_text(taxonomy, scene), taxonomy.styles[scene.style].slug, group, kind, contrast_of)


@cache
def _words(text: str) -> list[str]:
    return [" ".join(word.split()) for word in text.split(",")]


def _scenes(draw: random.Random, taxonomy: Taxonomy, many: int) -> list[Scene]:
    known = [c.place for c in taxonomy.categories] + [p.phrase for c in taxonomy.categories for p in c.more_places]
    subjects = sorted({o for c in taxonomy.categories for o in c.objects} | set(_words(_SUBJECTS)))
    places = sorted({*known, *_words(_PLACES)})
    pairs = [divmod(pair, len(places)) for pair in draw.sample(range(len(subjects) * len(places)), many)]
    return [_scene(draw, taxonomy, subjects, subjects[subject], places[place]) for subject, place in pairs]


def _scene(draw: random.Random, taxonomy: Taxonomy, subjects: list[str], subject: str, place: str) -> Scene:
    quality, deed, light = (draw.choice(_words(each)) for each in (_QUALITIES, _DEEDS, _LIGHTS))
    kept = draw.choice(((deed, light), (deed, ""), ("", light)))
    style = draw.choices(range(len(taxonomy.styles)), [style.weight for style in taxonomy.styles])[0]
    scene = Scene(subject, place, quality, *kept, style, draw.randrange(len(_FORMS)))
    match draw.choices(("none", "number", "color", "both", "side", "sign"), (40, 14, 14, 10, 12, 10))[0]:
        case "number":
            return replace(scene, number=draw.choice(_NUMBERS))
        case "color":
            return replace(scene, color=draw.choice(_COLORS))
        case "both":
            return replace(scene, number=draw.choice(_NUMBERS), color=draw.choice(_COLORS))
        case "side":
            other = draw.choice([each for each in subjects if each != subject])
            return replace(scene, side=(draw.choice(draw.choice(_SIDES)), other))
        case "sign":
            return replace(scene, sign=draw.choice(_words(_SIGNS)))
    return scene


def _contrast(draw: random.Random, taxonomy: Taxonomy, scene: Scene) -> Scene:
    """The scene with one fact changed: one that it states, or its style."""
    if scene.number and (not scene.color or draw.random() < 0.5):
        return replace(scene, number=draw.choice([n for n in _NUMBERS if n != scene.number]))
    if scene.color:
        return replace(scene, color=draw.choice([c for c in _COLORS if c != scene.color]))
    if scene.side:
        pair = next(pair for pair in _SIDES if scene.side[0] in pair)
        if draw.random() < 0.5:  # the two change places
            return replace(scene, subject=scene.side[1], side=(scene.side[0], scene.subject))
        return replace(scene, side=(pair[1 - pair.index(scene.side[0])], scene.side[1]))
    if scene.sign:
        return replace(scene, sign=draw.choice([s for s in _words(_SIGNS) if s != scene.sign]))
    return replace(scene, style=draw.choice([s for s in range(len(taxonomy.styles)) if s != scene.style]))


def _again(draw: random.Random, taxonomy: Taxonomy, kind: str, scene: Scene, first: Prompt) -> Prompt:
    text = first.text
    if kind == "exact":
        text = draw.choice((text.capitalize() if '"' not in text else text, f"{text}.", text.replace(", ", " , ")))
    known = [(old, new) for old, new in _SYNONYMS.items() if re.search(rf"\b{old}\b", text)]
    if kind == "form" or (kind == "synonyms" and not known):
        kind = "form"
        others = [number for number in range(len(_FORMS)) if number != scene.form]
        text = _text(taxonomy, replace(scene, form=draw.choice(others)))
    if kind == "synonyms":
        for old, new in draw.sample(known, min(len(known), draw.choice((1, 2)))):
            text = re.sub(rf"\b{old}\b", new, text)
    return Prompt(text, first.style, first.group, kind)


def _text(taxonomy: Taxonomy, scene: Scene) -> str:
    form = _FORMS[scene.form]
    articles = "{keywords}" not in form
    subject, place = _subject(taxonomy, scene, articles), " ".join(filter(None, [scene.place, scene.light]))
    style = taxonomy.styles[scene.style].phrase
    return form.format(subject=subject, keywords=subject, place=place, style=style)


def _subject(taxonomy: Taxonomy, scene: Scene, articles: bool) -> str:
    plural = taxonomy.lexicon.plurals.get(scene.subject, f"{scene.subject}s")
    noun = " ".join(filter(None, [scene.quality, scene.color, plural if scene.number else scene.subject]))
    parts = [f"{scene.number} {noun}" if scene.number else _led(noun, articles), scene.deed]
    if scene.side:
        parts += [scene.side[0], _led(scene.side[1], articles)]
    if scene.sign:
        parts.append(f'with a sign that says "{scene.sign}"')
    return " ".join(filter(None, parts))


def _led(noun: str, articles: bool) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}" if articles else noun

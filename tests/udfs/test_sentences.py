"""Pictures given -> words expected: phrases, tags and whole patterns."""

from __future__ import annotations

import pytest

from conf.patterns import pattern_of
from conf.taxonomy import Medium, Place, load_taxonomy
from udfs.grammar import Picture, Subject, Thing
from udfs.sentences import Wording, bare, filled, subject_phrase, subject_tags

TAX = load_taxonomy("scenes")
WORDING = Wording('with the text "{text}"', "without any {thing}", "with {thing} nearby", "high detail, clean edges")
FOX = Thing("fox", look="young", action="sleeping")
SIGN = Subject(Thing("sign"), "above", Thing("star"), text="OPEN")
PARK, OIL = Place(phrase="in a park", keyword="park"), Medium(phrase="an oil painting")

PHRASES = [
    (Subject(Thing("star")), "a star", "star"),
    (Subject(Thing("orange star")), "an orange star", "orange star"),
    (Subject(Thing("star", look="old", color="red")), "an old red star", "old red star"),
    (Subject(Thing("cross", 3, "red")), "three red crosses", "three red crosses"),
    (Subject(Thing("star", 1, "red"), "left of", Thing("circle")),
     "a red star left of a circle", "red star left of circle"),
    (Subject(Thing("star"), absent="cross"), "a star without any cross", "star, no cross"),
    (Subject(Thing("star"), None, Thing("cross")), "a star with a cross nearby", "star, cross"),
    (Subject(Thing("sign"), text="OPEN"), 'a sign with the text "OPEN"', 'sign with the text "OPEN"'),
    (SIGN, 'a sign with the text "OPEN" above a star', 'sign with the text "OPEN" above star'),
    (Subject(Thing("dancer", 2, "dressed in red")), "two dancers dressed in red", "two dancers dressed in red"),
    (Subject(FOX, "above", Thing("star"), "cross"),
     "a young fox sleeping above a star without any cross", "young fox above star, sleeping, no cross"),
]  # fmt: skip


@pytest.mark.parametrize(("subject", "phrase", "tags"), PHRASES, ids=[phrase for _, phrase, _ in PHRASES])
def test_a_subject_becomes_a_phrase_or_tags(subject: Subject, phrase: str, tags: str) -> None:
    assert subject_phrase(subject, TAX.lexicon, WORDING) == phrase
    assert subject_tags(subject, TAX.lexicon, WORDING) == tags


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("{style} of {subject} {place} {absence}", "an oil painting of a young fox sleeping above a star in a park"),
        ("{subject} {is} {action} {beside} {place} {absence}, {style}.",
         "A young fox is sleeping above a star in a park, an oil painting."),
        ("{subject} {place}, {style_tag}, {feature_tags}, {details}",
         "a young fox sleeping above a star in a park, oil painting, soft light, wide shot, high detail, clean edges"),
        ("In {light}, {subject} {place}: {style} with {features}",
         "In soft light, a young fox sleeping above a star in a park: an oil painting with a wide shot"),
        ("{keywords}, {keyword}, {style_tag}", "young fox above star, sleeping, park, oil painting"),
        ("{style} with {features} of {subject} {place}!",
         "An oil painting with soft light and a wide shot of a young fox sleeping above a star in a park!"),
    ],
)  # fmt: skip
def test_a_pattern_is_filled(pattern: str, text: str) -> None:
    subject = Subject(FOX, "above", Thing("star"))
    picture = Picture(subject, PARK, OIL, {"light": "soft light", "view": "a wide shot"})
    assert filled(pattern_of(pattern), picture, TAX.lexicon, WORDING) == text


def test_what_is_absent_stands_where_the_pattern_says() -> None:
    picture = Picture(Subject(FOX, absent="cross"), PARK, OIL, {})
    pattern = pattern_of("{subject} {is} {action} {beside} {place} {absence}; {style}")
    text = filled(pattern, picture, TAX.lexicon, WORDING)
    assert text == "a young fox is sleeping in a park without any cross; an oil painting"


def test_several_things_are() -> None:
    picture = Picture(Subject(Thing("fox", 3, action="sleeping")), PARK, OIL, {})
    text = filled(pattern_of("{subject} {is} {action} {place}, {style}."), picture, TAX.lexicon, WORDING)
    assert text == "Three foxes are sleeping in a park, an oil painting."


@pytest.mark.parametrize(("phrase", "tag"), [("a wide shot", "wide shot"), ("an owl", "owl"), ("soft light",) * 2])
def test_a_tag_has_no_article(phrase: str, tag: str) -> None:
    assert bare(phrase) == tag


def test_the_scenes_are_worded_as_the_demos_models_learned() -> None:
    subject = Subject(Thing("star", 1, "red"))
    picture = Picture(subject, TAX.categories[0].places[0], TAX.styles[0].media[0], {})
    texts = [filled(template.patterns[0], picture, TAX.lexicon, WORDING) for template in TAX.templates]
    assert texts == [
        "a picture of a red star in the snow, flat style",
        "please draw a red star in the snow in flat style",
        "a red star can be seen in the snow, drawn in flat style",
        "a red star in the snow, flat style, simple, plain background",
        "red star, snow, flat style, simple, plain background",
    ]

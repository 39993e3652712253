"""The taxonomy: what prompts are written over.

Tasks, categories, styles and templates, each with a weight and a display name.
"""

from __future__ import annotations

import re
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from conf.lexicon import Lexicon, Phrase, Phrases
from conf.loading import CONF, Frozen, load, unknown
from conf.patterns import Pattern, pattern_of


def _slug(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", value):
        raise ValueError(f"{value!r} is no slug: lower-case letters, digits and single underscores are allowed")
    return value


def _pattern(value: str) -> str:
    pattern_of(value)
    return value


Slug = Annotated[str, AfterValidator(_slug)]
PatternWords = Annotated[str, AfterValidator(_pattern)]
Ask = Literal["color", "count", "relation", "reasoning"]


class Label(Frozen):
    """A value of one axis.

    slug: the partition label; name: what people and the exported JSON see; weight: its share of the prompts.
    """

    slug: Slug
    name: str | None = None
    weight: float = Field(gt=0)


class Task(Label):
    """What the prompt asks of a generator: the atoms that must appear in it.

    `none` asks nothing special; its name is null.
    """

    asks: tuple[Ask, ...] = ()


class Place(Frozen):
    """phrase: 'in the snow'; keyword: the same as a tag; setting: whose lights suit it (null: the category's)."""

    phrase: Phrase
    keyword: Phrase
    setting: str | None = None


class Category(Label):
    """What the prompt is about. place, keyword: where it is, and one of more_places instead, drawn evenly.

    objects: what is shown, in place of the lexicon's; props: what stands beside it or is absent (empty: other objects);
    looks: adjectives of the objects; actions: what they are doing ('reading a letter'); views, manners (mood, lettering
    or layout): features of the picture; texts: what is written on the object, with fields that lexicon.text_parts
    fill; dressed: the objects are people, so a color is that of their clothes.
    """

    place: Phrase
    keyword: Phrase
    setting: str | None = None
    more_places: tuple[Place, ...] = ()
    objects: Phrases = ()
    props: Phrases = ()
    looks: Phrases = ()
    actions: Phrases = ()
    views: Phrases = ()
    manners: Phrases = ()
    texts: tuple[str, ...] = ()
    dressed: bool = False

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """All of them, each with its setting."""
        every = (Place(phrase=self.place, keyword=self.keyword), *self.more_places)
        return tuple(p if p.setting else p.model_copy(update={"setting": self.setting}) for p in every)

    def offers(self, features: dict[str, Phrases]) -> frozenset[str]:
        """Which of action, light, view, finish, manner there are words for. features: what Taxonomy.features gives."""
        facets = [facet for facet, words in features.items() if words]
        return frozenset(["action", *facets] if self.actions else facets)

    def at(self, keyword: str) -> Place:
        """Its place of this keyword. KeyError for a keyword that it lacks."""
        return {place.keyword: place for place in self.places}[keyword]


class Medium(Frozen):
    """phrase: 'an oil painting', with its article; finishes: features that suit it (empty: the style's)."""

    phrase: Phrase
    finishes: Phrases = ()

    @property
    def tag(self) -> str:
        return re.sub(r"^(a|an) ", "", self.phrase)

    @property
    def fact(self) -> str:
        """What the style atom says."""
        return self.tag.removesuffix(" style")


class Style(Label):
    """phrase: how the picture is made, and one of more_phrases instead, drawn evenly; finishes: features of it."""

    phrase: Phrase
    finishes: Phrases = ()
    more_phrases: tuple[Medium, ...] = ()

    @cached_property
    def media(self) -> tuple[Medium, ...]:
        """All of them, each with its finishes."""
        every = (Medium(phrase=self.phrase), *self.more_phrases)
        return tuple(m if m.finishes else m.model_copy(update={"finishes": self.finishes}) for m in every)

    def of(self, fact: str) -> Medium:
        """Its medium of this style atom. KeyError for one that it lacks."""
        return {medium.fact: medium for medium in self.media}[fact]


class Template(Label):
    """How the prompt is worded: pattern, and one of more_patterns instead, drawn evenly."""

    pattern: PatternWords
    more_patterns: tuple[PatternWords, ...] = ()

    @cached_property
    def patterns(self) -> tuple[Pattern, ...]:
        return tuple(map(pattern_of, (self.pattern, *self.more_patterns)))


class Taxonomy(Frozen):
    """enhancements: the patterns of the longer texts."""

    name: Slug
    language: str = "en"
    tasks: tuple[Task, ...] = Field(min_length=1)
    categories: tuple[Category, ...] = Field(min_length=1)
    styles: tuple[Style, ...] = Field(min_length=1)
    templates: tuple[Template, ...] = Field(min_length=1)
    enhancements: tuple[PatternWords, ...] = Field(("{subject} {place}, {style}, {details}",), min_length=1)
    lexicon: Lexicon

    @cached_property
    def longer(self) -> tuple[Pattern, ...]:
        return tuple(map(pattern_of, self.enhancements))

    @model_validator(mode="after")
    def _no_label_twice(self) -> Taxonomy:
        for axis in ("tasks", "categories", "styles", "templates"):
            slugs = [label.slug for label in getattr(self, axis)]
            twice = sorted({slug for slug in slugs if slugs.count(slug) > 1})
            if twice:
                raise ValueError(f"{axis}: {', '.join(twice)} stands there twice; each slug may stand once")
        return self

    @model_validator(mode="after")
    def _words_enough(self) -> Taxonomy:
        """A prompt may need an object, another one and an absent one, all different."""
        for category in self.categories:
            objects = category.objects or self.lexicon.objects
            if len(set(objects)) < 3 and len(set(category.props)) < 2:
                found = f"{len(set(objects))} objects and {len(set(category.props))} props"
                raise ValueError(
                    f"category {category.slug}: {found} are too few; give three objects, or one object and two props"
                )
            twice = sorted(set(objects) & set(category.props))
            if twice:
                raise ValueError(
                    f"category {category.slug}: {', '.join(twice)} is an object and a prop; it may be only one"
                )
        return self

    @model_validator(mode="after")
    def _told_apart(self) -> Taxonomy:
        """A place is found again by its keyword, a medium by its phrase, a feature by its words."""
        media = [medium for style in self.styles for medium in style.media]
        shared = [
            *set().union(*self.lexicon.lights.values()),
            *{words for medium in media for words in medium.finishes},
        ]
        for category in self.categories:
            _refuse_twice([place.keyword for place in category.places], f"category {category.slug}: the keyword")
            features = [*{*category.views}, *{*category.manners}, *shared]
            _refuse_twice(features, f"category {category.slug}: of light, view, finish and manner the feature")
        for style in self.styles:
            _refuse_twice([medium.fact for medium in style.media], f"style {style.slug}: the phrase")
        return self

    @model_validator(mode="after")
    def _names_known(self) -> Taxonomy:
        for category in self.categories:
            for text in category.texts:
                self.lexicon.check_text(text, f"category {category.slug}, texts")
            for place in category.places:
                if place.setting is not None and place.setting not in self.lexicon.lights:
                    where = f"category {category.slug}, {place.keyword}: setting"
                    known = list(self.lexicon.lights)
                    raise ValueError(str(unknown("", where, place.setting, known, "Name a key of lexicon.lights.")))
        return self

    @model_validator(mode="after")
    def _patterns_fit(self) -> Taxonomy:
        """Whatever a category, place and medium offer, every template and the enhancements have a pattern for it."""
        media = [medium for style in self.styles for medium in style.media]
        for category in self.categories:
            every = product(category.places, media)
            for offers in {category.offers(self.features(category, place, medium)) for place, medium in every}:
                lacking = [t.slug for t in self.templates if not any(pattern.fits(offers) for pattern in t.patterns)]
                if not any(pattern.plain and pattern.fits(offers) and pattern.says(offers) for pattern in self.longer):
                    lacking.append("enhancements")
                if lacking:
                    has = ", ".join(sorted(offers)) or "nothing"
                    raise ValueError(
                        f"{lacking[0]}: no pattern fits category {category.slug}, which may have only: {has};"
                        " add a pattern that needs no more, and for enhancements one with {features} and no other feature"
                    )
        return self

    def features(self, category: Category, place: Place, medium: Medium) -> dict[str, Phrases]:
        """Facet -> the features that suit."""
        lights = self.lexicon.lights.get(place.setting or "", ())
        return {"light": lights, "view": category.views, "finish": medium.finishes, "manner": category.manners}

    def slugs(self, axis: Literal["task", "category", "style", "template"]) -> list[str]:
        """The slugs of one axis in the file's order."""
        plural = {"task": "tasks", "category": "categories", "style": "styles", "template": "templates"}[axis]
        return [label.slug for label in getattr(self, plural)]


def load_taxonomy(name: str) -> Taxonomy:
    """The taxonomy conf/taxonomies/<name>.yaml, or the one at a path that ends in .yaml."""
    folder = CONF / "taxonomies"
    path = Path(name) if name.endswith(".yaml") else folder / f"{name}.yaml"
    if not path.is_file() and not name.endswith(".yaml"):
        known = [p.stem for p in folder.glob("*.yaml")]
        raise unknown(folder, "taxonomy", name, known, "Name one of these, or the path of a YAML file.")
    return load(Taxonomy, path)


def _refuse_twice(words: list[str], what: str) -> None:
    twice = sorted({word for word in words if words.count(word) > 1})
    if twice:
        raise ValueError(f"{what} {', '.join(twice)} stands there twice; each may stand once")

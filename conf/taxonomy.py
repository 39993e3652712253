"""The taxonomy: what prompts are written over.

Tasks, categories, styles and templates, each with a weight and a display name.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from conf.loading import CONF, Frozen, load, unknown


def _slug(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", value):
        raise ValueError(f"{value!r} is no slug: lower-case letters, digits and single underscores are allowed")
    return value


Slug = Annotated[str, AfterValidator(_slug)]
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
    """phrase: 'in the snow'; keyword: the same as a tag."""

    phrase: str
    keyword: str


class Category(Label):
    """What the prompt is about. place, keyword: where it is, and one of more_places instead, drawn evenly.

    objects: what is shown, in place of the lexicon's; props: what stands beside it or is absent (empty: other objects);
    texts: what is written on it; dressed: the objects are people, so a color is that of their clothes.
    """

    place: str
    keyword: str
    more_places: tuple[Place, ...] = ()
    objects: tuple[str, ...] = ()
    props: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    dressed: bool = False

    def at(self, keyword: str) -> Category:
        """This category in another of its places. KeyError for a keyword that it lacks."""
        phrases = {self.keyword: self.place} | {place.keyword: place.phrase for place in self.more_places}
        return self.model_copy(update={"place": phrases[keyword], "keyword": keyword})


class Style(Label):
    phrase: str


class Template(Label):
    """pattern: the sentence with {subject}, {place}, {style} (a phrase each) or {keywords}, {keyword} (tags)."""

    pattern: str

    @model_validator(mode="after")
    def _known_fields(self) -> Template:
        allowed = {"subject", "place", "style", "keywords", "keyword"}
        found = set(re.findall(r"{(\w*)}", self.pattern))
        if not found <= allowed:
            raise ValueError(f"pattern uses {sorted(found - allowed)}; allowed: {sorted(allowed)}")
        return self


class Lexicon(Frozen):
    """The words that the offline grammar writer and enhancer draw from."""

    objects: tuple[str, ...] = Field(min_length=1)
    plurals: dict[str, str] = Field(default_factory=dict)
    colors: tuple[str, ...] = Field(min_length=1)
    counts: dict[str, int] = Field(min_length=1)
    relations: tuple[str, ...] = Field(min_length=1)
    details: tuple[str, ...] = Field(min_length=2)


class Taxonomy(Frozen):
    name: Slug
    language: str = "en"
    tasks: tuple[Task, ...] = Field(min_length=1)
    categories: tuple[Category, ...] = Field(min_length=1)
    styles: tuple[Style, ...] = Field(min_length=1)
    templates: tuple[Template, ...] = Field(min_length=1)
    lexicon: Lexicon

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

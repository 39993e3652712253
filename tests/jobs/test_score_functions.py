"""A recipe given -> a session that knows its tables, views and scores expected."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pyspark.sql import SparkSession

from conf.loading import CONF, RecipeError
from jobs.score_functions import open_session
from schemas.delta import Lakehouse
from tests.jobs import pictures
from tests.jobs.pictures import Shown, show


def recipe_file(lakehouse: Lakehouse, folder: Path) -> str:
    content = yaml.safe_load((CONF / "demo.yaml").read_text())
    own = {"name": lakehouse.recipe, "lakehouse": lakehouse.root}
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content | own))
    return str(path)


def test_a_session_asks_a_scorer_about_pictures_of_a_view(
    spark: SparkSession,
    lakehouse: Lakehouse,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(pictures, "register_views", lambda spark: None)  # the session does it
    show(spark, lakehouse, [Shown("i1"), Shown("i2", b"no picture")])
    session = open_session(recipe_file(lakehouse, tmp_path))
    assert "  blur(image)\n" in capsys.readouterr().out
    rows = session.sql("select image_id, blur(image) as b from (select * from candidates limit 20)").collect()
    blurs = {row["image_id"]: row["b"] for row in rows}
    assert blurs.keys() == {"i1", "i2"}
    assert 0 <= blurs["i1"] <= 1
    assert blurs["i2"] is None


def test_a_lakehouse_of_another_recipe_is_refused(lakehouse: Lakehouse, tmp_path: Path) -> None:
    lakehouse.recipe = "another"
    with pytest.raises(RecipeError, match="belongs to the recipe 'test', this one is 'another'"):
        open_session(recipe_file(lakehouse, tmp_path))

"""One Spark session a worker of pytest-xdist and, for each test, an empty lakehouse: a copy of a template that is made
once.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.session import SESSION
from schemas.delta import Lakehouse

os.environ["PYSPARK_PYTHON"] = sys.executable
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The embedded default's session with fewer shuffle partitions; its warehouse lies in a temporary folder."""
    warehouse = tmp_path_factory.mktemp("warehouse")
    builder = SparkSession.builder.appName("goldpan tests").master("local[2]")
    for key, value in SESSION.items():
        builder = builder.config(key, value)
    session = (
        builder.config("spark.sql.shuffle.partitions", "2")
        # Tables of a few rows: compiling a query takes longer than interpreting it.
        .config("spark.sql.codegen.wholeStage", "false")
        .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
        .config("spark.sql.warehouse.dir", str(warehouse))
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture(scope="session")
def lakehouse_template(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("template") / "lakehouse"
    Lakehouse(spark, str(root), "test").create()
    return root


@pytest.fixture
def lakehouse(spark: SparkSession, lakehouse_template: Path, tmp_path: Path) -> Lakehouse:
    """Every table, empty, owned by the recipe 'test', registered in the session by its bare name."""
    root = tmp_path / "lakehouse"
    shutil.copytree(lakehouse_template, root)
    house = Lakehouse(spark, str(root), "test")
    house.register()
    return house

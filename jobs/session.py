"""The Spark session of every job, and what it runs on."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, cast

from jobs.endings import JobError
from udfs.device import accelerators

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


EVERY_CORE = "local[*,3]"  # the master of conf/spark-defaults.conf
# On every cluster.
SESSION = {
    # The views' long case expressions make the optimizer's inferred constraints grow without end (3 GB and minutes).
    "spark.sql.constraintPropagation.enabled": "false",
    # Spark 4.2.0 takes a union of two joins by equal keys for partitioned by them, leaves a repartition out, and yet puts
    # the two one behind the other: equal keys lie in two tasks, and a row that should meet its like meets nothing.
    "spark.sql.unionOutputPartitioning": "false",
}


def on_databricks() -> bool:
    return "DATABRICKS_RUNTIME_VERSION" in os.environ


def task_slots(spark: SparkSession) -> int:
    """Tasks that run at once: the cores, or on a cluster whose tasks take a GPU each, the GPUs."""
    context = cast(Any, spark)._jsc.sc()
    profile = context.resourceProfileManager().defaultResourceProfile()
    return max(1, context.maxNumConcurrentTasks(profile))


def start_spark(name: str) -> SparkSession:
    """The session; its properties come from spark-submit's properties file (set-up puts the embedded default's into the
    environment).
    """
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder
    for key, value in SESSION.items():
        builder = builder.config(key, value)
    # A worker holds an accelerator and its model as long as it lives: no more workers than accelerators.
    cast(Any, SparkContext)._ensure_initialized()  # before it a SparkConf reads neither the defaults nor spark-submit's
    if (devices := accelerators()) and SparkConf().get("spark.master") == EVERY_CORE:
        builder = builder.master(f"local[{devices},3]")
    spark = builder.appName(name).getOrCreate()
    try:
        cast(Any, spark)._jvm.io.delta.tables.DeltaTable  # noqa: B018
        spark.sql("select 1 as one").first()
    except Exception as error:
        raise JobError(
            f"Spark does not start with Delta Lake ({error}). Run `make set-up`, or pass --packages with the Delta jar of conf/spark-defaults.conf."
        ) from None
    return spark

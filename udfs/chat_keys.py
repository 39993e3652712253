"""The key of an endpoint: read on the worker when the model loads; no spec, table, log or message holds it."""

from __future__ import annotations

import os

from udfs.errors import ExplainedError

NO_KEY = "none"  # what is sent where an endpoint wants none; the header must hold something


class MissingKeyError(ExplainedError):
    """The key is not where the recipe says."""


def endpoint_key(variable: str | None) -> str | None:
    """The key in the environment variable; None where none is named."""
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise MissingKeyError(
            f"the environment variable {variable} is empty on a worker. Set it before you start the job; on a cluster for the"
            f" workers too (spark.executorEnv.{variable}, on Databricks spark_env_vars: {variable}: '{{{{secrets/scope/key}}}}')."
        )
    return key

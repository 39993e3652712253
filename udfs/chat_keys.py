"""The key of an endpoint: read on the worker when the model loads; no spec, table, log or message holds it."""

from __future__ import annotations

import os

from udfs.errors import ExplainedError

NO_KEY = "none"  # what is sent where an endpoint wants none; the header must hold something


class MissingKeyError(ExplainedError):
    """The key is not where the recipe says."""


def endpoint_key(variable: str | None, secret: str | None) -> str | None:
    """The key in the environment variable, or of the Databricks secret 'scope/key'; None where neither is named."""
    if variable is not None:
        return _from_environment(variable)
    return None if secret is None else _from_databricks(secret)


def _from_environment(variable: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not key:
        raise MissingKeyError(
            f"the environment variable {variable} is empty on a worker. Set it before you start the job; on a cluster for the"
            f" workers too (spark.executorEnv.{variable}, on Databricks spark_env_vars: {variable}: '{{{{secrets/scope/key}}}}')."
        )
    return key


def _from_databricks(secret: str) -> str:
    scope, _, name = secret.partition("/")
    try:
        if "DATABRICKS_RUNTIME_VERSION" not in os.environ:
            raise LookupError("this is no Databricks")
        from databricks.sdk.runtime import dbutils

        return str(dbutils.secrets.get(scope=scope, key=name))
    except Exception as error:  # whatever it is, without its message: it might hold more than it should
        raise MissingKeyError(
            f"the secret {secret} cannot be read on a worker ({type(error).__name__}). On Databricks give it to the cluster as"
            f" an environment variable (spark_env_vars: NAME: '{{{{secrets/{secret}}}}}') and name that with key_variable."
        ) from None

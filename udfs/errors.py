"""The base of errors that a person can mend, wherever they are found."""

from __future__ import annotations


class ExplainedError(RuntimeError):
    """Its message says in a sentence what is wrong and what to do; a job that it stops prints nothing else, whether it
    comes from the driver or from a worker.
    """

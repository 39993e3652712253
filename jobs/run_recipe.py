"""recipe -> shards: every job in one Spark session, in order; then the report. The tuple below is the order that
databricks.yml has. Where nothing changed since the last whole run, jobs that read tables only are passed over.
"""

from __future__ import annotations

import time
from importlib import import_module

from conf.recipe import Recipe
from jobs.ingest_photos import located
from jobs.last_run import edits, fingerprint, holds, last_run, record
from jobs.launch import Context, Job, main
from jobs.release import lies_whole
from jobs.scoring import scorer_specs
from jobs.waves import duration

JOBS = (
    "publish_views",
    "generate_prompts",
    "deduplicate_prompts",
    "screen_prompts",
    "enhance_prompts",
    "generate_images",
    "ingest_photos",
    "caption_photos",
    "score_images",
    "find_image_duplicates",
    "judge_images",
    "export_webdataset",
)
# These compare files with the tables, and files change without a new table version. The export's own are looked at here:
# the views that say what is kept take most of a run without work.
READS_FILES = {"publish_views", "generate_prompts", "ingest_photos", "export_webdataset"}


def run(context: Context) -> None:
    started = time.monotonic()
    check(context.recipe)
    last, now = last_run(context), fingerprint(context.recipe)
    unchanged = holds(context, last, now)
    seconds: dict[str, float] = {}
    begun_with: dict[str, int] = {}
    for number, name in enumerate(JOBS, start=1):
        context.say(f"[{number}/{len(JOBS)}] {name}")
        if unchanged and _has_nothing_to_do(context, name):
            context.say(f"{name}: no table has changed since the last whole run; nothing to do")
            continue
        begun = time.monotonic()
        job(name)(context)
        seconds[name] = time.monotonic() - begun
        if name == "publish_views":  # it writes three of them itself
            begun_with = edits(context)
        unchanged = unchanged and holds(context, last, now)
    if not unchanged:
        record(context, now, begun_with, seconds)
    import_module("jobs.report").report(context)
    slowest = sorted(seconds.items(), key=lambda item: -item[1])
    context.say("time: " + ", ".join(f"{name} {duration(spent)}" for name, spent in slowest if spent >= 1))
    context.say(f"whole run: {duration(time.monotonic() - started)}")


def _has_nothing_to_do(context: Context, name: str) -> bool:
    """Whether a job has nothing to do where no table has changed since it ran."""
    return lies_whole(context) if name == "export_webdataset" else name not in READS_FILES


def check(recipe: Recipe) -> None:
    """RecipeError for what a later job would stop at, after hours of rendering perhaps."""
    scorer_specs(recipe)
    if recipe.photos is not None:
        located(recipe.photos)


def job(name: str) -> Job:
    """The job's `run`; its module and its libraries are imported when its turn comes."""
    run: Job = import_module(f"jobs.{name}").run
    return run


if __name__ == "__main__":
    main(run)

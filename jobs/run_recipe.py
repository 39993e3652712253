"""recipe -> shards: every job in one Spark session, in order; then the report. The tuple below is the order that
databricks.yml has.
"""

from __future__ import annotations

import time
from importlib import import_module

from jobs.launch import Context, main
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


def run(context: Context) -> None:
    started = time.monotonic()
    seconds: dict[str, float] = {}
    for number, name in enumerate(JOBS, start=1):
        if name in ("ingest_photos", "caption_photos") and context.recipe.photos is None:
            continue
        context.say(f"[{number}/{len(JOBS)}] {name}")
        begun = time.monotonic()
        import_module(f"jobs.{name}").run(context)
        seconds[name] = time.monotonic() - begun
    import_module("jobs.report").report(context)
    slowest = sorted(seconds.items(), key=lambda item: -item[1])
    context.say("time: " + ", ".join(f"{name} {duration(spent)}" for name, spent in slowest if spent >= 1))
    context.say(f"whole run: {duration(time.monotonic() - started)}")


if __name__ == "__main__":
    main(run)

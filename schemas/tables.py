"""Every table: columns with their comments, key, partitioning and constraints.

Types are Spark SQL's; a job or udf that makes columns names their types once more, for Arrow. A column is `not null`
only where every row of every status has it.
"""

from __future__ import annotations

from dataclasses import dataclass

SCHEMA_VERSION = "6"

ATOMS = "array<struct<kind:string,subject:string,value:string,other:string>>"
STRATUM = ("task", "category", "style")


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    comment: str
    required: bool = False


@dataclass(frozen=True)
class Table:
    """key: the columns that make a row of status ok unique. checks: name -> SQL condition that every row meets."""

    name: str
    comment: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    partitioned_by: tuple[str, ...] = ()
    checks: tuple[tuple[str, str], ...] = ()
    unindexed: tuple[str, ...] = ()

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def ddl(self) -> str:
        """'name type, ...' as DataFrameReader.schema and createDataFrame take it."""
        return ", ".join(f"{column.name} {column.type}" for column in self.columns)


def _labels(required: bool = True) -> tuple[Column, ...]:
    return (
        Column("task", "string", "slug of the task combination; none where there is no label", required),
        Column("category", "string", "slug of the category; none where there is no label", required),
        Column("style", "string", "slug of the style; none where there is no label", required),
    )


STATUS = (
    Column("status", "string", "ok or error", True),
    Column("error_class", "string", "the exception's class where status is error"),
    Column("error_message", "string", "the exception's message where status is error"),
)
RUN = (
    Column("run_id", "string", "the run that wrote the row", True),
    Column("created_at", "timestamp", "when the row was made, UTC", True),
)
MODEL = (
    Column("model", "string", "the model that made the row, name@revision", True),
    Column("parameters", "string", "canonical JSON of everything that shaped the output"),
    Column("library_versions", "string", "JSON: package -> version"),
    Column("licence", "string", "licence of the model's output"),
    Column("device", "string", "where it ran: cpu, or the accelerator's name"),
    Column("seconds", "double", "its share of its batch's wall time, seconds"),
)
PROMPT_SCORES = (
    Column("prompt_words", "double", "words in the text"),
    Column("prompt_broken", "double", "share of the characters that are mojibake or not in NFC, 0-1"),
    Column("prompt_residue", "double", "1 where the text holds instruction residue, else 0"),
    Column("prompt_repetition", "double", "share of the words that stand in a repeated trigram, 0-1"),
    Column("prompt_language", "double", "probability that the text is in the taxonomy's language, 0-1"),
    Column("prompt_unsafe_margin", "double", "best cosine to an unsafe anchor minus best cosine to a safe one"),
    Column("prompt_contacts", "double", "e-mail addresses and telephone numbers in the text"),
    Column("prompt_listed_names", "double", "different names of the recipe's list in the text"),
    Column("prompt_evaluation_exact", "double", "1 where an evaluation prompt has the same words, else 0"),
    Column(
        "prompt_evaluation_overlap",
        "double",
        "largest share of its trigrams, or of a long evaluation prompt's, that both hold, common ones aside, 0-1",
    ),
    Column("prompt_evaluation_similarity", "double", "best cosine to an evaluation prompt; 0 without any"),
    Column("prompt_category_similarity", "double", "cosine to its category's name; null without a category"),
    Column("prompt_style_similarity", "double", "cosine to its style's name; null without a style"),
    Column("prompt_attributes", "double", "share of its labels' asks that its facts hold, 0-1"),
    Column(
        "prompt_atoms_held",
        "double",
        "share of the prompt's facts that the text's words state, of those that words can be read for, 0-1",
    ),
    Column("prompt_qwen3_guard", "double", "a judge's answer: 0 safe, 0.5 controversial, 1 unsafe; null: not asked"),
    Column("prompt_llama_guard_3", "double", "a judge's answer: 0 safe, 1 unsafe; null: not asked"),
    Column("prompt_judge_category", "double", "1 where a judge says that it fits its category, 0 not; null: not asked"),
    Column("prompt_judge_style", "double", "1 where a judge says that it fits its style, 0 not; null: not asked"),
    Column("prompt_judge_atoms", "double", "1 where a judge says that it states its facts, 0 not; null: not asked"),
)
PROMPT_NOTES = (
    Column("lost_atoms", "array<string>", "the prompt's facts that the text's words do not state"),
    Column("verdicts", "map<string,string>", "judge of the text -> what it answered"),
    Column(
        "questions", "map<string,string>", "judge of the text -> the id of who was asked what: it is not asked twice"
    ),
)
IMAGE_SCORES = (
    Column("blur", "double", "Crete blur, 0 sharp to 1 blurred"),
    Column("noise", "double", "noise standard deviation, grey levels 0-255"),
    Column("blockiness", "double", "gradient at 8 px block borders over the gradient elsewhere; 1 is none"),
    Column("clipping", "double", "share of pixels at 0 or 255 in every channel"),
    Column("border", "double", "share of the picture taken by uniform bars at its edges"),
    Column("entropy", "double", "Shannon entropy of the grey histogram, bits 0-8"),
    Column("clip_scenes_similarity", "double", "cosine of image and text, the demo's CLIP, -1 to 1"),
    Column("clip_l14_similarity", "double", "cosine of image and text, OpenAI CLIP ViT-L/14, -1 to 1"),
    Column("aesthetic_laion_v2", "double", "LAION aesthetic head on CLIP ViT-L/14, nominally 1-10"),
    Column("aesthetic_predictor_v_2_5_score", "double", "Aesthetic Predictor V2.5, nominally 1-10"),
    Column("watermark_laion", "double", "probability of a watermark, 0-1"),
    Column("nsfw_opennsfw", "double", "probability of not safe for work, 0-1"),
    Column("text_accuracy_rapidocr", "double", "agreement of the read text with the quoted one, 0-1"),
    Column("scene_detector", "double", "geometric mean of the atoms' probabilities, 0-1"),
    Column("scene_detector_weakest", "double", "smallest of the atoms' probabilities, 0-1"),
)

_TABLES = (
    Table(
        "prompts",
        "One row a prompt, as it was written or brought, or the error that asking a language model for it gave.",
        ("prompt_id",),
        (
            Column(
                "prompt_id",
                "string",
                "content id of the normalised text and the labels; of a language model's prompt: of seed, model, cell and number",
                True,
            ),
            Column("text", "string", "the prompt; null where status is error"),
            *_labels(),
            Column("template", "string", "slug of the template; null for a prompt that was brought"),
            Column("atoms", ATOMS, "the checkable facts that the text states; null where nobody recorded them"),
            Column(
                "source",
                "string",
                "grammar, the language model, or where the file says that its prompts come from",
                True,
            ),
            Column(
                "writer", "string", "the writer, name@revision; the file's name for a prompt that was brought", True
            ),
            Column(
                "request", "string", "JSON of the messages sent to a language model; it and all below: null of others"
            ),
            Column("seed", "bigint", "seed of the answer's own draws"),
            Column("answer", "string", "the answer as it came, also where status is error"),
            Column("prompt_tokens", "bigint", "tokens of the request"),
            Column("completion_tokens", "bigint", "tokens of the answer"),
            *STATUS,
            *(column for column in MODEL if column.name != "model"),
            *RUN,
        ),
        checks=(
            ("status_known", "status in ('ok', 'error')"),
            ("ok_has_text", "status = 'error' or (text is not null and length(trim(text)) > 0)"),
        ),
        unindexed=("text", "atoms", "request", "answer", "parameters", "library_versions", "error_message"),
    ),
    Table(
        "prompt_plan",
        "One row a cell of the plan: how many prompts a writer is asked for there. Replaced when the recipe asks for others.",
        ("writer", *STRATUM, "template"),
        (
            Column("writer", "string", "the writer, name@revision", True),
            *_labels(),
            Column("template", "string", "slug of the template", True),
            Column("asked", "int", "prompts", True),
            *RUN,
        ),
    ),
    Table(
        "prompt_embeddings",
        "One row for every prompt that is the first with its words, and embedder: what de-duplication compares.",
        ("prompt_id", "model"),
        (
            Column("prompt_id", "string", "the prompt", True),
            Column("embedding", "array<float>", "unit vector of the text; null where status is error"),
            Column("model", "string", "the embedder, name@revision", True),
            Column("seconds", "double", "its share of its batch's wall time, seconds"),
            Column("device", "string", "where it ran"),
            *STATUS,
            *RUN,
        ),
        unindexed=("embedding",),
    ),
    Table(
        "prompt_duplicates",
        "One row for every prompt compared; a kept prompt is its own kept_id.",
        ("prompt_id",),
        (
            Column("prompt_id", "string", "the prompt", True),
            Column("kept_id", "string", "the prompt that stands for it; itself if it is kept", True),
            Column("reason", "string", "exact or semantic; null for a kept prompt"),
            Column("similarity", "double", "cosine to the kept prompt; null for a kept prompt"),
            Column(
                "embedding", "array<float>", "unit vector of the text; an exact copy has that of what it copies", True
            ),
            Column("model", "string", "the embedder, name@revision", True),
            Column("seconds", "double", "its embedding's share of its batch's wall time, seconds; 0 for an exact copy"),
            Column("device", "string", "where it ran"),
            *RUN,
        ),
        unindexed=("embedding",),
    ),
    Table(
        "prompt_scores",
        "One row a kept prompt and set of screens: the scores of its text, or the error. The newest row of status ok counts.",
        ("prompt_id", "screener"),
        (
            Column("prompt_id", "string", "the prompt", True),
            *PROMPT_SCORES,
            *PROMPT_NOTES,
            *STATUS,
            Column("screener", "string", "the set of screens, name@revision", True),
            Column("device", "string", "where it ran"),
            Column("seconds", "double", "its share of its batch's wall time, seconds"),
            *RUN,
        ),
        checks=(("status_known", "status in ('ok', 'error')"),),
        unindexed=("error_message",),
    ),
    Table(
        "enhanced_prompts",
        "One row for every accepted prompt and enhancer: the longer text, its atoms and its own screens.",
        ("prompt_id", "model"),
        (
            Column("prompt_id", "string", "the prompt", True),
            Column("text", "string", "the enhanced text; null where there is none, as in most error rows"),
            Column("atoms", ATOMS, "the facts that the enhanced text states"),
            *PROMPT_SCORES,
            *PROMPT_NOTES,
            *STATUS,
            *MODEL,
            *RUN,
        ),
        unindexed=("text", "atoms"),
    ),
    Table(
        "images",
        "One row a rendered picture, or the error that its rendering gave.",
        ("image_id",),
        (
            Column("image_id", "string", "content id of text, resolved generator spec, seed and size", True),
            Column("prompt_id", "string", "the prompt", True),
            Column("variant", "string", "original or enhanced: which text was sent", True),
            Column("regime", "string", "square or random_aspect", True),
            Column("generator", "string", "the recipe's name of the generator", True),
            Column("spec_id", "string", "content id of the resolved generator spec", True),
            Column(
                "candidate", "int", "0, 1, ... among the pictures of the same prompt, variant, regime, generator", True
            ),
            Column("seed", "bigint", "seed of this picture's own random generator", True),
            Column("text", "string", "the exact text sent", True),
            Column(
                "unread_tokens",
                "int",
                "tokens at the text's end beyond what the generator reads; null: it sets no limit",
            ),
            Column("width", "int", "pixels", True),
            Column("height", "int", "pixels", True),
            Column("image", "binary", "JPEG, RGB, marked trainedAlgorithmicMedia; null where status is error"),
            Column("sha256", "string", "SHA-256 of the JPEG"),
            *_labels(),
            *STATUS,
            *MODEL,
            Column("wave", "int", "the wave of its run", True),
            *RUN,
        ),
        partitioned_by=STRATUM,
        checks=(
            ("status_known", "status in ('ok', 'error')"),
            ("ok_has_image", "status = 'error' or (image is not null and sha256 is not null)"),
            ("variant_known", "variant in ('original', 'enhanced')"),
            ("regime_fits", "(regime = 'square') = (width = height)"),
        ),
        unindexed=("image", "text", "parameters", "library_versions", "error_message"),
    ),
    Table(
        "photos",
        "One row a real photograph, or the error that reading it gave.",
        ("image_id",),
        (
            Column("image_id", "string", "content id of source and source_id", True),
            Column("source", "string", "where the picture comes from", True),
            Column("source_id", "string", "the source's own id, or the path below the folder", True),
            Column("source_url", "string", "the picture's page"),
            Column("author", "string", "who made it"),
            Column("licence", "string", "SPDX id or the source's own name of the licence"),
            Column("source_caption", "string", "the text that the source gives"),
            Column("source_long_caption", "string", "the longer text that the source gives"),
            Column("width", "int", "pixels, upright"),
            Column("height", "int", "pixels, upright"),
            Column("image", "binary", "JPEG, RGB, upright; null where status is error"),
            Column("sha256", "string", "SHA-256 of the JPEG"),
            Column("source_sha256", "string", "SHA-256 of the file as it came"),
            Column("converted", "boolean", "whether the pixels were encoded anew"),
            *_labels(),
            *STATUS,
            *RUN,
        ),
        partitioned_by=STRATUM,
        checks=(
            ("status_known", "status in ('ok', 'error')"),
            ("ok_has_image", "status = 'error' or (image is not null and sha256 is not null)"),
        ),
        unindexed=("image", "source_caption", "source_long_caption", "error_message"),
    ),
    Table(
        "captions",
        "One row a photograph and captioner: its short and its long caption.",
        ("image_id", "model"),
        (
            Column("image_id", "string", "the photograph", True),
            Column("short_caption", "string", "one sentence; ships as .txt"),
            Column("long_caption", "string", "the detailed caption; ships as enhanced_prompt"),
            *STATUS,
            *MODEL,
            *RUN,
        ),
        unindexed=("short_caption", "long_caption"),
    ),
    Table(
        "raw_scores",
        "One row a picture and pass: what a set of scorers answered, values and reasons, with their revisions.",
        ("image_id", "pass"),
        (
            Column("image_id", "string", "the picture", True),
            Column("pass", "string", "id of the set of scorers with their revisions", True),
            Column("values", "map<string,double>", "score -> value; a score that was not given is absent"),
            Column("reasons", "map<string,string>", "score -> why it was not given"),
            Column("revisions", "map<string,string>", "score -> the model that gave it, name@revision"),
            Column("seconds_by_scorer", "map<string,double>", "scorer -> its share of its batch's wall time"),
            Column("phash", "string", "64-bit perceptual hash, 16 hex digits"),
            Column(
                "mean_color", "array<float>", "mean of R, G, B over a 4 x 4 grid, 0-255: the check that pHash lacks"
            ),
            Column("embedding", "array<float>", "unit image vector of the recipe's first CLIP scorer"),
            *_labels(),
            *STATUS,
            Column("device", "string", "where it ran"),
            Column("seconds", "double", "its share of its batch's wall time, seconds"),
            Column("wave", "int", "the wave of its run", True),
            *RUN,
        ),
        partitioned_by=STRATUM,
        checks=(("status_known", "status in ('ok', 'error')"),),
        unindexed=("values", "reasons", "revisions", "seconds_by_scorer", "mean_color", "embedding", "error_message"),
    ),
    Table(
        "scores",
        "One row a picture: every score a column, merged from raw_scores at the end of a run.",
        ("image_id",),
        (
            Column("image_id", "string", "the picture", True),
            *_labels(),
            *IMAGE_SCORES,
            Column("phash", "string", "64-bit perceptual hash, 16 hex digits"),
            Column("mean_color", "array<float>", "mean of R, G, B over a 4 x 4 grid, 0-255"),
            Column("reasons", "map<string,string>", "score -> why it is null"),
            Column("revisions", "map<string,string>", "score -> the model that gave it, name@revision"),
            Column("seconds", "double", "wall time of all its passes, seconds"),
            *RUN,
        ),
        partitioned_by=STRATUM,
        checks=(
            ("no_score_is_nan", " and ".join(f"not coalesce(isnan({column.name}), false)" for column in IMAGE_SCORES)),
        ),
        unindexed=("mean_color", "reasons", "revisions"),
    ),
    Table(
        "image_duplicates",
        "One row a scored picture: the group of pictures that look the same. Facts only; the views choose the keeper.",
        ("image_id",),
        (
            Column("image_id", "string", "the picture", True),
            Column(
                "group_id", "string", "the smallest image_id of its group; itself where nothing looks the same", True
            ),
            Column("phash_distance", "int", "Hamming distance to the nearest member of its group, bits; null if alone"),
            Column(
                "color_distance",
                "double",
                "mean absolute difference to that member over the color grid, 0-255; null if alone",
            ),
            Column("compared", "bigint", "xxhash64 of the hash and the colors that were compared", True),
            *RUN,
        ),
    ),
    Table(
        "judgements",
        "One row a picture, judge and question: the probability that the judge says yes.",
        ("image_id", "model", "question"),
        (
            Column("image_id", "string", "the picture", True),
            Column("question", "string", "the question asked", True),
            Column("atom_kind", "string", "kind of the atom that the question checks", True),
            Column("answer", "double", "probability of yes, 0-1; null where status is error"),
            *STATUS,
            *MODEL,
            Column("wave", "int", "the wave of its run", True),
            *RUN,
        ),
        checks=(("answer_is_a_probability", "answer is null or (answer >= 0 and answer <= 1)"),),
        unindexed=("question", "parameters", "library_versions", "error_message"),
    ),
    Table(
        "policies",
        "One row a published policy.",
        ("policy",),
        (
            Column("policy", "string", "the policy's name", True),
            Column(
                "best_by", "string", "the score that ranks pictures of one prompt, variant, regime, generator", True
            ),
            Column("best_of", "int", "how many of them are kept", True),
            Column("judge", "string", "the judge whose answers count, name@revision", True),
            Column("enhancer", "string", "the enhancer whose texts count, name@revision", True),
            Column("captioner", "string", "the captioner whose captions count, name@revision", True),
            Column("generator_specs", "array<string>", "spec ids of the generators whose pictures count", True),
            Column(
                "trainable_specs", "array<string>", "those of them whose licence lets their output train a model", True
            ),
            Column("licences", "array<string>", "licences of photographs that may ship; empty: all", True),
            Column(
                "digest",
                "string",
                "SHA-256 of the policy file's content and the models above; 'incomplete' while it is being replaced",
                True,
            ),
            *RUN,
        ),
    ),
    Table(
        "thresholds",
        "One row a gate: the score must lie in [minimum, maximum]. A null label means all; more labels win.",
        ("policy", "gate", "kind", "task", "category", "style"),
        (
            Column("policy", "string", "the policy", True),
            Column("gate", "string", "the score that is cut", True),
            Column("kind", "string", "prompt, generated or photograph", True),
            *_labels(required=False),
            Column("minimum", "double", "smallest value that passes; null: no limit"),
            Column("maximum", "double", "largest value that passes; null: no limit"),
            Column("note", "string", "why it is set so"),
            *RUN,
        ),
        checks=(("kind_known", "kind in ('prompt', 'generated', 'photograph')"),),
    ),
    Table(
        "quotas",
        "One row a quota: at most so many kept pictures in a stratum. A null label means all.",
        ("policy", "task", "category", "style"),
        (
            Column("policy", "string", "the policy", True),
            *_labels(required=False),
            Column("at_most", "bigint", "kept pictures", True),
            *RUN,
        ),
    ),
    Table(
        "reviews",
        "One row a person's verdict on a picture; the last one counts.",
        ("image_id", "reviewer", "created_at"),
        (
            Column("image_id", "string", "the picture", True),
            Column("verdict", "string", "keep or reject", True),
            Column("reviewer", "string", "who says so", True),
            Column("note", "string", "why"),
            Column("created_at", "timestamp", "when, UTC", True),
        ),
        checks=(("verdict_known", "verdict in ('keep', 'reject')"),),
    ),
    Table(
        "denylist",
        "One row a thing that must never ship.",
        ("kind", "value"),
        (
            Column("kind", "string", "image_id, sha256 or prompt_id", True),
            Column("value", "string", "the id or hash", True),
            Column("reason", "string", "why", True),
            Column("created_at", "timestamp", "when, UTC", True),
        ),
        checks=(("kind_known", "kind in ('image_id', 'sha256', 'prompt_id')"),),
    ),
    Table(
        "releases",
        "One row an exported release: what it was made of. Written after the manifest.",
        ("release",),
        (
            Column("release", "string", "the release's name", True),
            Column("policy", "string", "the policy that chose its samples", True),
            Column("samples", "bigint", "samples in all", True),
            Column("shards", "map<string,int>", "subset -> number of shards, frozen", True),
            Column(
                "kept_digest",
                "string",
                "SHA-256 over the kept samples (ids, texts, labels, sizes, scores) in order of image_id",
                True,
            ),
            Column("table_versions", "map<string,bigint>", "table -> Delta version read", True),
            Column("manifest", "string", "the text of manifest.json, from which the file is written again", True),
            Column("folder", "string", "where the shards are", True),
            *RUN,
        ),
    ),
    Table(
        "release_samples",
        "One row a picture of a release: where it ships.",
        ("release", "image_id"),
        (
            Column("release", "string", "the release", True),
            Column("image_id", "string", "the picture; the sample's key", True),
            Column("subset", "string", "the released subset", True),
            Column("shard", "int", "number of the shard in its subset", True),
            *RUN,
        ),
    ),
    Table(
        "runs",
        "One row a run of the whole recipe that came to its end and changed a table or had another fingerprint than the last.",
        ("run_id",),
        (
            Column("fingerprint", "string", "id of the recipe, models, code and packages that ran", True),
            Column("table_versions", "map<string,bigint>", "table -> Delta version that it left", True),
            Column("seconds", "map<string,double>", "job -> seconds", True),
            *RUN,
        ),
    ),
)

TABLES: dict[str, Table] = {table.name: table for table in _TABLES}

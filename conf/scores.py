"""Every score: its direction, range and the scorer that fills it. A policy may cut on these and on nothing else.

Another model is another score, named after it. schemas/tables.py holds a column for each one but judge and
judge_weakest, which a view computes (a test holds the two lists equal).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class Score:
    """low, high: the range of the raw model output; direction: which end is the better one."""

    low: float
    high: float
    direction: Direction
    scorer: str
    about: str
    of: Literal["image", "prompt"] = "image"


SCORES: dict[str, Score] = {
    # prompts: written by screen_prompts (and by enhance_prompts for the enhanced text)
    "prompt_words": Score(0, 100_000, "neither", "text", "words in the text", of="prompt"),
    "prompt_broken": Score(0, 1, "lower", "text", "share of the characters that are mojibake or not in NFC", of="prompt"),
    "prompt_residue": Score(0, 1, "lower", "text", "1 where the text holds instruction residue ('Sure, here is', a list, quotes around it)", of="prompt"),
    "prompt_repetition": Score(0, 1, "lower", "text", "share of the words that stand in a repeated trigram", of="prompt"),
    "prompt_language": Score(0, 1, "higher", "language", "probability that it is in the taxonomy's language and not in the next likeliest", of="prompt"),
    "prompt_unsafe_margin": Score(-2, 2, "lower", "safety", "best cosine to an unsafe anchor minus best cosine to a safe one", of="prompt"),
    "prompt_contacts": Score(0, 100_000, "lower", "text", "e-mail addresses and telephone numbers in the text", of="prompt"),
    "prompt_listed_names": Score(0, 100_000, "lower", "text", "different names of the recipe's list (screen.names) in the text", of="prompt"),
    "prompt_evaluation_exact": Score(0, 1, "lower", "evaluation", "1 where an evaluation prompt has the same words", of="prompt"),
    "prompt_evaluation_overlap": Score(0, 1, "lower", "evaluation", "largest share of word trigrams, common ones aside, that the text has in common with one evaluation prompt: of the text's own, or of those of a long evaluation prompt (8 words or more, 3 such trigrams or more)", of="prompt"),
    "prompt_evaluation_similarity": Score(-1, 1, "lower", "evaluation", "best cosine to an evaluation prompt; 0 without any", of="prompt"),
    "prompt_category_similarity": Score(-1, 1, "higher", "attributes", "cosine to the category's name: a hint for sorting, no proof; null without a category", of="prompt"),
    "prompt_style_similarity": Score(-1, 1, "higher", "attributes", "cosine to the style's name: a hint for sorting, no proof; null without a style", of="prompt"),
    "prompt_attributes": Score(0, 1, "higher", "attributes", "share of the labels' asks (color, count, relation) that the facts hold: the atoms and, of the kinds that these lack, the words", of="prompt"),
    "prompt_atoms_held": Score(0, 1, "higher", "attributes", "share of the prompt's facts (its atoms of kinds that words can be read for and, of the kinds that these lack, what its words say) that the text's words state; of an enhanced text, those of the original", of="prompt"),
    # prompts: written where the recipe names a language model for it (screen.judges)
    "prompt_qwen3_guard": Score(0, 1, "lower", "qwen3_guard", "Qwen3Guard-Gen: 0 safe, 0.5 controversial, 1 unsafe", of="prompt"),
    "prompt_llama_guard_3": Score(0, 1, "lower", "llama_guard_3", "Llama-Guard-3: 0 safe, 1 unsafe", of="prompt"),
    "prompt_judge_category": Score(0, 1, "higher", "attributes_judge", "1 where a language model says that the text fits its category, or there is none", of="prompt"),
    "prompt_judge_style": Score(0, 1, "higher", "attributes_judge", "1 where a language model says that the text fits its style, or there is none", of="prompt"),
    "prompt_judge_atoms": Score(0, 1, "higher", "attributes_judge", "1 where a language model says that the text states all its facts (of an enhanced text, those of the original), or there are none", of="prompt"),
    # technical measures of the pixels
    "blur": Score(0, 1, "lower", "technical", "share of blur left by re-blurring (Crete 2007); 0 sharp, 1 blurred"),
    "noise": Score(0, 255, "lower", "technical", "noise standard deviation, grey levels (Immerkaer 1996)"),
    "blockiness": Score(0, 100, "lower", "technical", "gradient at 8 px block borders over the gradient elsewhere; 1 is none"),
    "clipping": Score(0, 1, "lower", "technical", "share of pixels at 0 or 255 in every channel"),
    "border": Score(0, 1, "lower", "technical", "share of the picture taken by uniform bars at its edges"),
    "entropy": Score(0, 8, "higher", "technical", "Shannon entropy of the grey histogram, bits"),
    # learned scores
    "clip_scenes_similarity": Score(-1, 1, "higher", "clip_scenes", "cosine of image and text, the demo's CLIP"),
    "clip_l14_similarity": Score(-1, 1, "higher", "clip_l14", "cosine of image and text, OpenAI CLIP ViT-L/14"),
    "aesthetic_laion_v2": Score(0, 12, "higher", "aesthetic_laion_v2", "LAION aesthetic head on CLIP ViT-L/14, nominally 1-10"),
    "aesthetic_predictor_v_2_5_score": Score(0, 12, "higher", "aesthetic_v2_5", "Aesthetic Predictor V2.5 on SigLIP so400m, nominally 1-10"),
    "watermark_laion": Score(0, 1, "lower", "watermark_laion", "probability of a watermark, LAION-5B detector"),
    "nsfw_opennsfw": Score(0, 1, "lower", "nsfw_opennsfw", "probability that the picture is not safe for work, OpenNSFW"),
    "text_accuracy_rapidocr": Score(0, 1, "higher", "text_accuracy_rapidocr", "1 - normalised edit distance of the read text and the quoted one; null without a quoted text"),
    "scene_detector": Score(0, 1, "higher", "scene_detector", "geometric mean of the atoms' probabilities, the demo's detector"),
    "scene_detector_weakest": Score(0, 1, "higher", "scene_detector", "smallest of the atoms' probabilities, the demo's detector"),
    # the judge: a view computes these from judgements, one answer an atom
    "judge": Score(0, 1, "higher", "judge", "geometric mean of the judge's probabilities of yes over the prompt's atoms (Soft-TIFA)"),
    "judge_weakest": Score(0, 1, "higher", "judge", "smallest of the judge's probabilities of yes over the prompt's atoms"),
}  # fmt: skip

PROMPT_JUDGES: tuple[Literal["qwen3_guard", "llama_guard_3", "attributes_judge"], ...] = (
    "qwen3_guard",
    "llama_guard_3",
    "attributes_judge",
)
IMAGE_SCORERS = sorted({score.scorer for score in SCORES.values() if score.of == "image" and score.scorer != "judge"})

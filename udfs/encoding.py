"""How much of a text is broken: mojibake, control characters, and letters that Unicode's form NFC writes otherwise.

And the same text mended.
"""

from __future__ import annotations

from difflib import SequenceMatcher


def broken_share(text: str) -> float:
    """Share of the characters that ftfy's repair and NFC replace or take away, 0-1.

    Curly quotes, ligatures and wide letters are a writer's choice, not damage: they stay.
    """
    whole = repaired(text)
    if whole == text:
        return 0.0
    same = sum(block.size for block in SequenceMatcher(None, text, whole, autojunk=False).get_matching_blocks())
    # what is only inserted (a decoded entity is shorter, never longer) counts as one character
    return max(len(text) - same, 1) / len(text)


def repaired(text: str) -> str:
    """The text as it was meant: decoded once more where it was decoded wrongly, in NFC."""
    from ftfy import TextFixerConfig, fix_text

    choices = TextFixerConfig(
        uncurl_quotes=False, fix_latin_ligatures=False, fix_character_width=False, normalization="NFC"
    )
    return fix_text(text, choices)


def mended(text: str) -> str:
    """The text as a prompt is kept, whoever brought or wrote it: as it was meant, and curly quotes, ligatures and wide
    letters made plain.
    """
    from ftfy import fix_text

    return fix_text(text)

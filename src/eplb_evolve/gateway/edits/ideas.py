"""What a reply says of its own idea, in one line."""

import re

from eplb_evolve.hostile_text import clip, sentence

MOST = 110
"""Characters of an idea: models are asked for no more."""
_CODE = re.compile(
    r'^[ \t]*(?:```|~~~|<{5,}|"""|# EVOLVE-BLOCK|import \w+$|from [\w.]+ import |def \w+\()', re.MULTILINE
)
_LABEL = re.compile(r"\A(?:the )?(?:idea|summary|change|what is new)\s*:\s*", re.IGNORECASE)


def idea_of(reply: str) -> str:
    """The first sentence before any code, without markup; "" where there is none."""
    prose = _CODE.split(reply.replace("\r\n", "\n"), maxsplit=1)[0]
    for line in prose.split("\n"):
        words = re.sub(r"[*`|]", "", re.sub(r"\A[\s>*#\-]+", "", line)).strip()
        words = _LABEL.sub("", words)
        if len(words) > 3 and not line.lstrip().startswith("#") and not words.endswith(":"):
            return clip(sentence(re.split(r"(?<=[.!?])\s", words, maxsplit=1)[0]), MOST)
    return ""

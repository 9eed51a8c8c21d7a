"""Text of candidates, endpoints and tools is hostile: what people see of it is short, moves no cursor, names no folder.

All scrubbing of control characters and paths is here. Keys are the gateway's (gateway.secret), markup is the report's.
"""

import contextlib
import os
import re
import sys
from pathlib import Path

_FOLDERS = re.compile(r"(?<![\w.:/<-])/(?:[\w.+@~-]+/)+")


def printable(text: str) -> str:
    """Without control characters, lone surrogates and marks that turn or hide writing: they are spelled out."""
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def one_line(text: str) -> str:
    """The same for a name or a sentence, which has no lines: their ends and tabs are spelled out too."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def clip(text: str, most: int) -> str:
    """At most `most` letters, the last an ellipsis where something was cut off."""
    return text if len(text) <= most else text[: most - 1] + "…"


def sentence(text: str, most: int = 400) -> str:
    """Words of a stranger as prose shows them: one line with single blanks, printable, clipped."""
    return clip(printable(" ".join(text.split())), most)


def without_folders(text: str) -> str:
    """Absolute paths cut to their last part: what is kept says nothing of one machine's folders."""
    return _FOLDERS.sub("", text)


def without_places(text: str, workdir: str) -> str:
    """What a candidate wrote, printable; the folders of sandbox, Python, project and user replaced by their names."""
    places = {
        workdir: "<sandbox>",
        os.path.realpath(workdir): "<sandbox>",
        sys.prefix: "<python>",
        sys.base_prefix: "<python>",
        str(Path(__file__).parents[2]): "<project>",
        os.path.expanduser("~"): "<home>",
    }
    with contextlib.suppress(OSError):  # the working directory may be gone
        places[os.getcwd()] = "<project>"
    for path in sorted(places, key=len, reverse=True):
        if len(path) > 1:
            text = text.replace(path, places[path])
    return printable(text)

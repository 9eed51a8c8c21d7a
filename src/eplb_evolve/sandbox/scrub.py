"""Text that a candidate wrote, made fit for people and proposers: no path of this machine, no control characters."""

import contextlib
import os
import re
import sys
from pathlib import Path

_CONTROL = re.compile(r"[^\n\t\x20-\x7e\u00a0-\ud7ff\ue000-\uffff]|[\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
"""What is no visible character of the basic plane: controls, lone surrogates, marks that turn or hide text."""


def scrub(text: str, workdir: str) -> str:
    """`text` with the folders of the sandbox, of Python, of the project and of the user replaced by their names."""
    places = {
        workdir: "<sandbox>",
        os.path.realpath(workdir): "<sandbox>",
        sys.prefix: "<python>",
        sys.base_prefix: "<python>",
        str(Path(__file__).parents[3]): "<project>",
        os.path.expanduser("~"): "<home>",
    }
    with contextlib.suppress(OSError):  # the working directory may be gone
        places[os.getcwd()] = "<project>"
    for path in sorted(places, key=len, reverse=True):
        if len(path) > 1:
            text = text.replace(path, places[path])
    return _CONTROL.sub("?", text)

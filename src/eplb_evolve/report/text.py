"""Making text of strangers harmless and short: programs, names, reasons and paths come from candidates."""

import json
import re
from typing import Any

from markupsafe import Markup

from eplb_evolve.hostile_text import clip, sentence, without_folders

_API_KEY = re.compile(r"^(\s*(?:- )?[\"']?api_key[\"']?\s*:\s*)(?!\$\{\w+\}\s*$|none\b|null\b|~)(\S.*)$", re.MULTILINE)
_FOR_SCRIPT = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}


def without_keys(config: str) -> str:
    """A configuration's text without a literal API key."""
    return _API_KEY.sub(r"\1(left out)", config)


def said(text: str, most: int = 400) -> str:
    """A candidate's or tool's words as prose shows them: one line, no folders, clipped."""
    return sentence(without_folders(text), most)


def for_plot(text: str, most: int = 120) -> str:
    """As plotly shows it: plotly reads tags such as <a href> in labels, so they are escaped here."""
    escaped = clip(said(text, most), most).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("%{", "% {")  # else the start of a placeholder in a hover template


def for_script(data: Any) -> Markup:
    """JSON that can stand inside a script element: nothing in it ends the element."""
    dumped = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return Markup(dumped.translate(_FOR_SCRIPT))

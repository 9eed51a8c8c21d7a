"""Keys: whether a text can be one, and texts without any piece of one."""

import base64
import html
import json
import re
import urllib.parse
from collections.abc import Iterator
from typing import Any

PIECE = 8
"""Characters of a key, in a row, that no text may hold. A shorter key is no secret: endpoints that want any key get
`none` or `x`, which stand in programs too.
"""
HIDDEN = "<key>"


def fault(key: str) -> str:
    """What keeps a text from being a key, in words that hold nothing of it; "" if nothing does."""
    if not key:
        return "is empty"
    for character in key:
        if character in "\r\n":
            end = " at its end" if key.rstrip("\r\n") and not set("\r\n") & set(key.rstrip("\r\n")) else ""
            return f"holds a line break{end}"
        if character.isspace():
            return "holds a blank"
        if not character.isascii():
            return "holds a character that is not ASCII"
        if not character.isprintable():
            return "holds a control character"
    return ""


class Secret:
    """A key, to be kept out of texts: as it is, as Python, JSON, HTML or a URL writes it, in base64 and hexadecimal."""

    def __init__(self, key: str) -> None:
        forms = _forms(key) if len(key) >= PIECE else ()
        self._pieces = {form[at : at + PIECE] for form in forms for at in range(len(form) - PIECE + 1)}

    def scrub(self, text: str) -> str:
        """The text with `<key>` in place of each run of pieces of the key."""
        found: list[str] = []
        kept = 0  # everything before it is dealt with
        for at in range(len(text) - PIECE + 1) if self._pieces else ():
            if text[at : at + PIECE] in self._pieces:
                if at > kept or not found:
                    found += [text[kept:at], HIDDEN]
                kept = at + PIECE
        return "".join([*found, text[kept:]])

    def scrub_all(self, value: Any) -> Any:
        """The same JSON with every text in it scrubbed."""
        if isinstance(value, str):
            return self.scrub(value)
        if isinstance(value, list):
            return [self.scrub_all(item) for item in value]
        if isinstance(value, dict):
            return {self.scrub(name): self.scrub_all(item) for name, item in value.items()}
        return value

    def scrub_body(self, text: str) -> str:
        """A body to be kept: JSON is read before it is scrubbed, since it can spell any letter in another way."""
        try:
            return json.dumps(self.scrub_all(json.loads(text)))
        except (ValueError, RecursionError):
            pass
        plain = html.unescape(re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text))
        return self.scrub(text) if self.scrub(plain) == plain else self.scrub(plain)


def _forms(key: str) -> Iterator[str]:
    raw = key.encode("utf-8", "surrogatepass")
    yield from (key, repr(key)[1:-1], json.dumps(key)[1:-1], key.replace("/", "\\/"), html.escape(key))
    for quoted in (urllib.parse.quote(raw, safe=""), urllib.parse.quote(raw), urllib.parse.quote_plus(raw)):
        yield quoted
        yield "%".join(part[:2].lower() + part[2:] if at else part for at, part in enumerate(quoted.split("%")))
    yield from (raw.hex(), raw.hex().upper())
    for shift in range(3):  # base64 looks at three bytes together: what stands before the key shifts it
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(bytes(shift) + raw).decode().rstrip("=")
            yield text[(shift * 8 + 5) // 6 : len(text) - bool((shift + len(raw)) % 3)]

"""Where commands print what they were asked for."""

import re
from collections.abc import Iterable
from typing import Any, TextIO

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.segment import Segment
from rich.text import Text

from eplb_evolve.cli.streams import columns
from eplb_evolve.hostile_text import printable


class SafeConsole(Console):
    """Text of strangers moves no cursor, and a word that is longer than the line is not broken.

    Lines are as long as COLUMNS says, or the terminal; into a pipe or a file as long as they are.
    """

    def __init__(self, stream: TextIO, **settings: Any) -> None:
        super().__init__(file=stream, width=columns(stream), **settings)

    def print(self, *objects: Any, **settings: Any) -> None:
        """As Console's, without cutting off what is longer than the line."""
        chosen: dict[str, Any] = {"crop": False, **settings}
        super().print(*objects, **chosen)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As Console's, without control characters, and with long words whole."""
        options = options or self.options
        width = options.max_width
        if isinstance(renderable, Text) and (renderable.no_wrap or options.no_wrap):
            if not self.is_terminal:  # only there a text may lose its end
                renderable = renderable.copy()
                renderable.overflow = "ignore"
        elif isinstance(renderable, Text) and _longest_word(renderable.plain) > width:
            renderable = Group(*(_unbroken(line) for whole in renderable.split() for line in _lines(whole, width)))
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)


def _lines(text: Text, width: int) -> Iterable[Text]:
    """Lines of whole words."""
    breaks, begun = [], 0
    for word in re.finditer(r"\S+", text.plain):
        if word.start() > begun and cell_len(text.plain[begun : word.end()]) > width:
            begun = word.start()
            breaks.append(begun)
    return text.divide(breaks)


def _unbroken(line: Text) -> Text:
    line.rstrip()
    line.no_wrap, line.overflow = True, "ignore"
    return line

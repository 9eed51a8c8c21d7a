"""Tables that break no number and no name: where the columns do not fit, each row becomes a list of facts."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.table import Table
from rich.text import Text

from eplb_evolve.hostile_text import one_line

SHORTEST_NAME = 12
"""Letters that are left of a long name on a terminal, at least."""


@dataclass(frozen=True)
class Grid:
    """A table of text.

    Attributes:
        headings: of the columns; their words may stand below each other
        rows: one text per column
        left: columns that are aligned left
        name: the column that heads a row's list of facts; on a terminal a long one may lose its end
        prose: the column whose words may go on in the next line, if there is one
        title: stands above
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: Sequence[int] = (0,)
    name: int = 0
    prose: int | None = None
    title: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table | Text]:
        if self.title:
            yield Text(one_line(self.title), style="bold")
        rows = [[one_line(cell) for cell in row] for row in self.rows]
        for gap in (2, 1):
            widths = self._widths(rows, options.max_width - gap * (len(self.headings) - 1), console.is_terminal)
            if widths is not None:
                yield self._table(rows, widths, gap)
                return
        for row in rows:
            yield from self._facts(row, console, options.max_width)

    def _widths(self, rows: Sequence[Sequence[str]], room: int, terminal: bool) -> list[int] | None:
        """The columns' widths if they fit into `room`; None else."""
        cells = [max((cell_len(row[at]) for row in rows), default=0) for at in range(len(self.headings))]
        natural = [max(cell, cell_len(heading)) for cell, heading in zip(cells, self.headings, strict=True)]
        if sum(natural) <= room:
            return natural
        least = [max(cell, _longest_word(heading)) for cell, heading in zip(cells, self.headings, strict=True)]
        if self.prose is not None:
            words = max((_longest_word(row[self.prose]) for row in rows), default=0)
            rest = room - sum(least) + least[self.prose]
            least[self.prose] = max(min(rest, natural[self.prose]), words, _longest_word(self.headings[self.prose]))
        if terminal and sum(least) > room:
            least[self.name] = max(SHORTEST_NAME, least[self.name] - (sum(least) - room))
        return least if sum(least) <= room else None

    def _table(self, rows: Sequence[Sequence[str]], widths: Sequence[int], gap: int) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), show_header=any(self.headings))
        for at, (heading, width) in enumerate(zip(self.headings, widths, strict=True)):
            justify = "left" if at in self.left or at == self.prose else "right"
            table.add_column(heading, justify=justify, width=width)  # type: ignore[arg-type]
        for row in rows:
            table.add_row(
                *(Text(cell, no_wrap=at != self.prose, overflow="ellipsis") for at, cell in enumerate(row)),
            )
        return table

    def _facts(self, row: Sequence[str], console: Console, width: int) -> Iterator[Text]:
        """The name, then a line for each of the other columns."""
        end = "ellipsis" if console.is_terminal else "ignore"
        named = max(map(cell_len, self.headings))
        head = self.name if row[self.name] else next((at for at, cell in enumerate(row) if cell), self.name)
        lines = [row[head]]
        for at, (heading, cell) in enumerate(zip(self.headings, row, strict=True)):
            if at != head and cell:
                lines += wrapped(f"  {heading:<{named}}  {cell}", width, named + 4)
        for line in lines:
            yield Text(line, no_wrap=True, overflow=end)  # type: ignore[arg-type]


def wrapped(text: str, width: int, indent: int) -> list[str]:
    """Lines of whole words, those after the first behind `indent` blanks."""
    lines = textwrap.TextWrapper(
        max(width, indent + 8),
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )
    return lines.wrap(text)


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)

"""Lays out text for terminals of any width: lines break at spaces, and no name is torn apart.

Widths are columns of the terminal, in which a wide character takes two.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from rich.cells import cell_len, split_graphemes
from rich.console import Console
from rich.text import Text

_GAP = 2
#: A text that would get fewer columns than this stands below its row instead.
_LEAST_PROSE = 24
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; its cells stay whole."""

    name: str
    is_figure: bool = False
    """Aligned to the right."""
    is_prose: bool = False
    """Its texts are wrapped at spaces. The last column of a table at most."""


@dataclass(frozen=True, slots=True)
class TextTable:
    """Rows of cells below their headings."""

    columns: Sequence[Column]
    rows: list[list[Text]] = field(default_factory=list)

    def add(self, *cells: str | Text, style: str = "") -> None:
        """Add a row; `style` is that of all its cells."""
        row = [Text(cell) if isinstance(cell, str) else cell.copy() for cell in cells]
        for cell in row:
            cell.stylize(style)
        self.rows.append(row)

    def lines(self, console: Console) -> list[Text]:
        """The table in lines for this console; where it is too wide, each row is a block of several lines."""
        prose = next((n for n, column in enumerate(self.columns) if column.is_prose), len(self.columns))
        widths = [
            max([cell_len(column.name), *(row[n].cell_len for row in self.rows)])
            for n, column in enumerate(self.columns[:prose])
        ]
        left = console.width - sum(widths) - _GAP * (len(widths) - 1)
        if prose == len(self.columns):
            fits = left >= 0
        else:
            left -= _GAP
            longest = max((cell_len(word) for row in self.rows for word in row[prose].plain.split()), default=0)
            fits = left >= max(_LEAST_PROSE, min(longest, console.width - _GAP))
        if not fits:
            return list(chain.from_iterable(self._block(console, row, prose) for row in self.rows))
        heading = [Text(column.name, style="bold") for column in self.columns]
        lines = [self._line(heading, widths)]
        for row in self.rows:
            first, *rest = wrap(row[prose], left) if prose < len(row) else [Text()]
            lines.append(self._line([*row[:prose], first], widths))
            lines += [Text(" " * (console.width - left)) + line for line in rest]
        return lines

    def print(self, console: Console) -> None:
        """Print the lines."""
        print_lines(console, self.lines(console))

    def _line(self, cells: Sequence[Text], widths: Sequence[int]) -> Text:
        padded = []
        for cell, width, column in zip(cells, widths, self.columns, strict=False):
            pad = Text(" " * (width - cell.cell_len))
            padded.append(pad + cell if column.is_figure else cell + pad)
        line = Text(" " * _GAP).join([*padded, *cells[len(widths) :]])
        line.rstrip()
        return line

    def _block(self, console: Console, row: Sequence[Text], prose: int) -> Iterator[Text]:
        """The row's cells, as many on a line as go there whole, then its text; figures stand beside their headings."""
        line = Text()
        for cell, column in zip(row[:prose], self.columns, strict=False):
            part = Text.assemble(f"{column.name} ", cell) if column.is_figure else cell
            if line and line.cell_len + _GAP + part.cell_len > console.width:
                yield line
                line = Text(" " * _GAP) + part
            else:
                line = line + Text(" " * _GAP) + part if line else part
        yield line
        for text in row[prose:]:
            yield from (Text(" " * _GAP) + each for each in wrap(text, console.width - _GAP) if each)


def plain_table(*names: str, figures: Iterable[str] = (), prose: str | None = None) -> TextTable:
    """A table of columns with names, then of figures, then of a text."""
    columns = [*map(Column, names), *(Column(name, is_figure=True) for name in figures)]
    return TextTable([*columns, Column(prose, is_prose=True)] if prose else columns)


def print_lines(console: Console, lines: Iterable[Text]) -> None:
    """Print each as one line; what is longer than the terminal is left to it, so that it is copied whole."""
    for line in lines:
        console.print(line, soft_wrap=True)


def wrap(text: Text, width: int, *, indent: int = 0, most: int | None = None) -> list[Text]:
    """The text in lines of at most `width` columns that break at spaces; a longer word stays whole.

    All but the first line are indented. With `most`, there are no more lines than that, the last of more ends with an
    ellipsis, and longer words are cut too.
    """
    first, *rest = text.divide(_line_starts(text.plain, width - indent))
    lines = [first, *(Text(" " * indent) + line for line in rest)]
    for line in lines:
        line.rstrip()
    if most is not None:
        is_cut = len(lines) > most
        lines = lines[:most]
        if is_cut:
            lines[-1].append(" …")
        for line in lines:
            line.truncate(max(1, width), overflow="ellipsis")
            while line.cell_len > max(1, width):  # joiners take more columns once their line is cut
                line.right_crop(2)
                line.append("…")
    return lines


def _line_starts(text: str, width: int) -> Iterator[int]:
    """Where each line but the first begins."""
    begin = 0
    for word in _WORD.finditer(text):
        so_far = text[begin : word.start()].strip()
        if so_far and cell_len(text[begin : word.end()]) > width:
            begin = word.start()
            yield begin


def shorten_name(name: str, width: int) -> str:
    """The name in at most `width` columns, cut in its middle, because names that are alike differ at their ends."""
    if cell_len(name) <= width:
        return name
    spans, _ = split_graphemes(name)
    characters = [name[start:end] for start, end, _ in spans]
    front = back = ""
    while characters and cell_len(f"{front}{characters[0]}…{back}") <= width:
        front += characters.pop(0)
        if characters and cell_len(f"{front}…{characters[-1]}{back}") <= width:
            back = characters.pop() + back
    return f"{front}…{back}"

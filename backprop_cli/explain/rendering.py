"""Sections as text for a terminal, and as Markdown with LaTeX, as GitHub, Jupyter and KaTeX render it."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np

from backprop_cli.explain.formulas import NOTATION
from backprop_cli.explain.sections import Line, Section
from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array

WIDTH, PROSE = 100, 80
"""The largest widths of numbers and of notes, in columns."""

_BLANK, _LATEX_BLANK = "____", r"\underline{\qquad}"

_TAG = 7
"""Columns for the tag of an equation, with the margin before it."""

_GAP = "  "

_ACTIVE = re.compile(r"[*_<`]")
"""Characters that Markdown would interpret."""


@frozen
class Page:
    """A title, remarks about all that follows, and sections."""

    title: str
    remarks: Sequence[str]
    sections: Sequence[Section]


def _legend(symbol: str) -> str:
    return f"superscripts in parentheses are layers, not powers: {symbol} belongs to layer 2"


def to_text(pages: Sequence[Page], digits: int) -> str:
    """Return all as text: formulas on the left, matrices of aligned numbers on the right."""
    return f"\n\n{'━' * PROSE}\n\n".join("\n".join(_page(page, digits)) for page in pages)


def _page(page: Page, digits: int) -> Iterator[str]:
    yield page.title
    for remark in (*page.remarks, _legend(NOTATION.text)):
        yield from textwrap.wrap(remark, PROSE, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
    for section in page.sections:
        yield from ("", section.title, "═─"[section.level - 1] * len(section.title), *_lines(section, digits))


def _lines(section: Section, digits: int) -> Iterator[str]:
    formulas = [line.formula.text for line in section.lines if isinstance(line, Line)]
    width = max(map(_columns, formulas), default=0)
    for line in section.lines:
        if isinstance(line, str):
            yield from textwrap.wrap(line, PROSE, initial_indent=" " * _TAG, subsequent_indent=" " * _TAG)
        else:
            yield from _line(line, width, digits)


def _line(line: Line, width: int, digits: int) -> Iterator[str]:
    """Yield the formula with its numbers beside it, or below it if they are too wide."""
    rows = _cells(line, digits, _BLANK)
    tag, formula = f"  {line.tag:{_TAG - 2}}", line.formula.text
    formula += " " * (width - _columns(formula))
    if isinstance(line.value, float):
        yield f"{tag}{formula} = {rows[0][0]}"
        return
    cell = max(len(word) for row in rows for word in row)
    rows = [[word.rjust(cell) for word in row] for row in rows]
    head, block = f"{tag}{formula} = ", brackets(rows)
    if _columns(head) + len(block[0]) <= WIDTH:
        yield head + block[0]
        yield from (" " * _columns(head) + text for text in block[1:])
        return
    yield f"{tag}{line.formula.text} ="
    columns = (WIDTH - _TAG - len("⎡  ⎤ …") + len(_GAP)) // (cell + len(_GAP))
    for start in range(0, len(rows[0]), columns):
        more = " …" if start + columns < len(rows[0]) else ""
        for text in brackets([row[start : start + columns] for row in rows]):
            yield f"{'':{_TAG}}{text}{more}"


def _columns(text: str) -> int:
    """Return the width of text in a terminal: a hat takes no column of its own."""
    return sum(not unicodedata.combining(letter) for letter in text)


def _cells(line: Line, digits: int, blank: str) -> list[list[str]]:
    rows = numbers(line.value, digits if line.digits is None else line.digits)
    return [[blank] * len(row) for row in rows] if line.blank else rows


def brackets(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows of a matrix, whose cells are equally wide, between brackets."""
    lines = [_GAP.join(row) for row in rows]
    if len(lines) == 1:
        return [f"[ {lines[0]} ]"]
    left = ["⎡", *"⎢" * (len(lines) - 2), "⎣"]
    right = ["⎤", *"⎥" * (len(lines) - 2), "⎦"]
    return [f"{opening} {line} {closing}" for opening, line, closing in zip(left, lines, right, strict=True)]


def to_markdown(pages: Sequence[Page], digits: int) -> str:
    """Return all as Markdown; a page break is HTML, which printing from a browser or a notebook obeys."""
    break_ = '\n\n<div style="page-break-before: always"></div>\n\n'
    return break_.join("\n\n".join(_markdown_page(page, digits)) for page in pages)


def _markdown_page(page: Page, digits: int) -> Iterator[str]:
    yield f"# {_escaped(page.title)}"
    yield from (*map(_escaped, page.remarks), _legend(f"${NOTATION.latex}$"))
    top = min(section.level for section in page.sections) - 1
    for section in page.sections:
        yield f"#{'#' * (section.level - top)} {_escaped(section.title)}"
        yield from _paragraphs(section, digits)


def _escaped(text: str) -> str:
    return _ACTIVE.sub(r"\\\g<0>", text)


def _paragraphs(section: Section, digits: int) -> Iterator[str]:
    for line in section.lines:
        yield _escaped(line) if isinstance(line, str) else _equation(line, digits)


def _equation(line: Line, digits: int) -> str:
    r"""Return the equation as display math. GitHub keeps a \\ only at the end of a line, so each row has its own."""
    cells = [" & ".join(map(_number, row)) for row in _cells(line, digits, _LATEX_BLANK)]
    left, tag = f"{line.formula.latex} =", [rf"\tag{{{line.tag}}}"] if line.tag else []
    value = [f"{left} {cells[0]}"] if isinstance(line.value, float) else [left, *matrix(cells)]
    return "\n".join(["$$", *value, *tag, "$$"])


def matrix(cells: Sequence[str]) -> list[str]:
    """Return the lines of a matrix, given its rows."""
    return [r"\begin{bmatrix}", *(rf"{row} \\" for row in cells[:-1]), cells[-1], r"\end{bmatrix}"]


def _number(word: str) -> str:
    if word == _LATEX_BLANK:
        return word
    digits, e, exponent = word.partition("e")
    return rf"{digits} \times 10^{{{int(exponent)}}}" if e else {"inf": r"\infty", "-inf": r"-\infty"}.get(word, word)


def numbers(value: Array | float, digits: int) -> list[list[str]]:
    """Return the rows of a number, a row or a matrix as strings with `digits` after the point.

    An exact zero is `0`, and whole numbers have no point if all are whole. Numbers are written with an exponent if the
    largest would show at most one digit that is not 0, or has more than six before the point.
    """
    rows = np.atleast_2d(np.asarray(value, np.float64))
    finite = np.abs(rows[np.isfinite(rows)])
    largest = float(finite.max()) if finite.size else 0.0
    exponent = largest >= 1e6 or 0 < largest < 10 ** (2 - digits)
    form = f".{digits}e" if exponent else ".0f" if np.all(rows == np.round(rows)) else f".{digits}f"
    return [[_formatted(float(number), form) for number in row] for row in rows]


def _formatted(number: float, form: str) -> str:
    word = f"{number:{form}}" if number else "0"
    return word.removeprefix("-") if float(word) == 0 else word  # rounded to -0.0000

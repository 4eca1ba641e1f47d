"""Sections as text for a terminal, and as Markdown with LaTeX, as GitHub, Jupyter and KaTeX render it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from backprop_cli.explain.sections import Line, Section, numbers

WIDTH, PROSE = 100, 80
"""The largest widths of numbers and of notes, in columns."""

_TAG = 7
"""Columns for the tag of an equation, with the margin before it."""

_GAP = "  "

_ACTIVE = re.compile(r"[*_<`]")
"""Characters that Markdown would interpret."""


def to_text(title: str, remarks: Sequence[str], sections: Sequence[Section], digits: int) -> str:
    """Return all as text: formulas on the left, matrices of aligned numbers on the right."""
    lines = [title, *(f"  {remark}" for remark in remarks)]
    for section in sections:
        lines += ["", section.title, "─" * len(section.title), *_lines(section, digits)]
    return "\n".join(lines)


def _lines(section: Section, digits: int) -> Iterator[str]:
    formulas = [line.formula.text for line in section.lines if isinstance(line, Line)]
    width = max(map(len, formulas), default=0)
    for line in section.lines:
        if isinstance(line, str):
            yield from textwrap.wrap(line, PROSE, initial_indent=" " * _TAG, subsequent_indent=" " * _TAG)
        else:
            yield from _line(line, width, digits)


def _line(line: Line, width: int, digits: int) -> Iterator[str]:
    """Yield the formula with its numbers beside it, or below it if they are too wide."""
    rows = numbers(line.value, digits if line.digits is None else line.digits)
    tag = f"  {line.tag:{_TAG - 2}}"
    if isinstance(line.value, float):
        yield f"{tag}{line.formula.text:{width}} = {rows[0][0]}"
        return
    cell = max(len(word) for row in rows for word in row)
    rows = [[word.rjust(cell) for word in row] for row in rows]
    head, block = f"{tag}{line.formula.text:{width}} = ", brackets(rows)
    if len(head) + len(block[0]) <= WIDTH:
        for number, text in enumerate(block):
            yield f"{head if number == 0 else '':{len(head)}}{text}"
        return
    yield f"{tag}{line.formula.text} ="
    columns = (WIDTH - _TAG - len("⎡  ⎤ …") + len(_GAP)) // (cell + len(_GAP))
    for start in range(0, len(rows[0]), columns):
        more = " …" if start + columns < len(rows[0]) else ""
        for text in brackets([row[start : start + columns] for row in rows]):
            yield f"{'':{_TAG}}{text}{more}"


def brackets(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows of a matrix, whose cells are equally wide, between brackets."""
    lines = [_GAP.join(row) for row in rows]
    if len(lines) == 1:
        return [f"[ {lines[0]} ]"]
    left = ["⎡", *"⎢" * (len(lines) - 2), "⎣"]
    right = ["⎤", *"⎥" * (len(lines) - 2), "⎦"]
    return [f"{opening} {line} {closing}" for opening, line, closing in zip(left, lines, right, strict=True)]


def to_markdown(title: str, remarks: Sequence[str], sections: Sequence[Section], digits: int) -> str:
    """Return all as Markdown."""
    lines = [f"# {title}", *remarks]
    for section in sections:
        lines += [f"## {section.title}", *_paragraphs(section, digits)]
    return "\n\n".join(lines)


def _paragraphs(section: Section, digits: int) -> Iterator[str]:
    for line in section.lines:
        yield _ACTIVE.sub(r"\\\g<0>", line) if isinstance(line, str) else _equation(line, digits)


def _equation(line: Line, digits: int) -> str:
    r"""Return the equation as display math. GitHub keeps a \\ only at the end of a line, so each row has its own."""
    rows = numbers(line.value, digits if line.digits is None else line.digits)
    cells = [" & ".join(map(_number, row)) for row in rows]
    left, tag = f"{line.formula.latex} =", [rf"\tag{{{line.tag}}}"] if line.tag else []
    value = [f"{left} {cells[0]}"] if isinstance(line.value, float) else [left, *matrix(cells)]
    return "\n".join(["$$", *value, *tag, "$$"])


def matrix(cells: Sequence[str]) -> list[str]:
    """Return the lines of a matrix, given its rows."""
    return [r"\begin{bmatrix}", *(rf"{row} \\" for row in cells[:-1]), cells[-1], r"\end{bmatrix}"]


def _number(word: str) -> str:
    digits, e, exponent = word.partition("e")
    return rf"{digits} \times 10^{{{int(exponent)}}}" if e else {"inf": r"\infty", "-inf": r"-\infty"}.get(word, word)

"""Sections as Markdown with LaTeX, as GitHub, Jupyter and KaTeX render it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from backprop_cli.explain.sections import Line, Section, numbers

_ACTIVE = re.compile(r"[*_<`]")
"""Characters that Markdown would interpret."""


def to_markdown(title: str, remarks: Sequence[str], sections: Sequence[Section], digits: int) -> str:
    """Return the whole document."""
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

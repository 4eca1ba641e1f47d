"""A trace as a handout: Markdown with LaTeX, as GitHub, Jupyter and KaTeX render it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from backprop_cli.cli.trace_story import Line, Section, numbers

_LATEX = {
    r"\(C\(w \+ eps\) - C\(w - eps\)\) / 2 eps": (r"\\frac{C(w + \\varepsilon) - C(w - \\varepsilon)}{2 \\varepsilon}"),
    r"dC/d([aWb])\^(\d+)": r"\\frac{\\partial C}{\\partial \1^{\2}}",
    r"dC/dw": r"\\frac{\\partial C}{\\partial w}",
    r"λ(_\d)?/(2?n)": r"\\frac{\\lambda\1}{\2}",
    r"1/m": r"\\frac{1}{m}",
    r"([Wb])(\d+)\[([\d,]+)\]": r"\1^{\2}_{\3}",
    r"\^(\d+)": r"^{\1}",
    r"sum of": r"\\sum_x",
    r"(before|after) the step|by back-propagation|relative error|penalty|where|else": r"\\text{ \g<0> }",
    r"eta": r"\\eta",
    r"delta": r"\\delta",
    r"eps": r"\\varepsilon",
    r"ln": r"\\ln",
    r"leaky_relu": r"\\text{leaky relu}",
    r"([a-z]{3,})": r"\\text{\1}",  # the name of a function
    r"<-": r"\\leftarrow",
    **{
        re.escape(letter) + " ?": rf"\\{name} "
        for letter, name in {"Δ": "Delta", "Σ": "sum", "⊙": "odot", "‖": "Vert", "|": "vert", "·": "cdot"}.items()
    },
    "½": r"\\tfrac{1}{2}",
    "²": r"^2",
}
"""Patterns of formulas, and what LaTeX writes for them; at each place the first that fits."""

_ACTIVE = re.compile(r"[*_<`]")
"""What Markdown would take for its own."""

_ANY = re.compile("|".join(f"(?:{pattern})" for pattern in _LATEX))


def as_markdown(title: str, remarks: Sequence[str], story: Sequence[Section], digits: int) -> str:
    """Return the whole trace as a document."""
    lines = [f"# {title}", *remarks]
    for section in story:
        lines += [f"## {section.title}", *_paragraphs(section, digits)]
    return "\n\n".join(lines)


def _paragraphs(section: Section, digits: int) -> Iterator[str]:
    for line in section.lines:
        yield _ACTIVE.sub(r"\\\g<0>", line) if isinstance(line, str) else _equation(line, digits)


def _equation(line: Line, digits: int) -> str:
    r"""Return the equation as display math. GitHub keeps a \\ only at the end of a line, so each row has its own."""
    rows = numbers(line.value, digits if line.digits is None else line.digits)
    cells = [" & ".join(map(_number, row)) for row in rows]
    left, tag = f"{latex(line.formula)} =", [rf"\tag{{{line.mark}}}"] if line.mark else []
    value = [f"{left} {cells[0]}"] if isinstance(line.value, float) else [left, *matrix(cells)]
    return "\n".join(["$$", *value, *tag, "$$"])


def matrix(cells: Sequence[str]) -> list[str]:
    """Return the lines of a matrix, given its rows."""
    return [r"\begin{bmatrix}", *(rf"{row} \\" for row in cells[:-1]), cells[-1], r"\end{bmatrix}"]


def latex(formula: str) -> str:
    """Return a formula of the story in LaTeX."""
    return _ANY.sub(_translate, formula)


def _translate(found: re.Match[str]) -> str:
    text = found[0]
    return next(re.sub(pattern, new, text) for pattern, new in _LATEX.items() if re.fullmatch(pattern, text))


def _number(word: str) -> str:
    digits, e, exponent = word.partition("e")
    return rf"{digits} \times 10^{{{int(exponent)}}}" if e else {"inf": r"\infty", "-inf": r"-\infty"}.get(word, word)

"""What the columns of a table are, judged by some of its rows: numbers, categories, or of no use."""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
import numpy.typing as npt

from backprop_cli.frozen import frozen
from backprop_cli.tables.columns import EMPTY, IS_NUMBER, OTHER, Columns, number_text

Kind = Literal["number", "category", "date", "text", "empty"]

Mask = npt.NDArray[np.bool_]

MOSTLY = 0.95
"""A column is numeric if at least this share of its cells that are not missing are numbers."""

MAX_CATEGORIES = 50
"""A column of more different words is text, of no use to a network."""

_DATE = re.compile(
    r"([0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|[0-9]{1,2}[./][0-9]{1,2}[./][0-9]{2,4}|[0-9]{4}/[0-9]{1,2}/[0-9]{1,2})"
    r"([ T][0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9:]+)?)?",
    re.ASCII,
)


@frozen
class Cells:
    """The cells of a column in m rows: numbers (m,), codes of words (m,), whether there is no value (m,); all words."""

    numbers: npt.NDArray[np.float64]
    codes: npt.NDArray[np.int32]
    missing: Mask
    words: tuple[str, ...]

    @property
    def numeric(self) -> Mask:
        """Which cells have a number."""
        return (self.codes == IS_NUMBER) & ~self.missing

    def values(self) -> tuple[str, ...]:
        """Return the different values as text: the numbers, then the words, each in natural order."""
        numbers = np.unique(self.numbers[self.numeric])
        codes = np.unique(self.codes[~self.missing])
        words = (self.words[code] for code in codes.tolist() if code >= 0)
        return (*map(number_text, numbers.tolist()), *sorted(words, key=natural_order))

    def indices(self, values: tuple[str, ...]) -> npt.NDArray[np.intp]:
        """Return the index of each cell's value among `values`, -1 for any other; "" stands for no value."""
        place = {value: k for k, value in enumerate(values)}
        found = np.full(len(self.codes), -1, np.intp)
        is_word = self.codes >= 0
        found[is_word] = np.array([place.get(word, -1) for word in self.words], np.intp)[self.codes[is_word]]
        numeric = self.numeric
        numbers, inverse = np.unique(self.numbers[numeric], return_inverse=True)
        found[numeric] = np.array([place.get(number_text(n), -1) for n in numbers.tolist()], np.intp)[inverse]
        found[self.missing] = place.get("", -1)
        return found

    def kind(self) -> Kind:
        """Return what the column is, as far as these rows tell."""
        present = int(np.sum(~self.missing))
        if not present:
            return "empty"
        if np.sum(self.numeric) >= MOSTLY * present:
            return "number"
        values = self.values()
        if sum(_DATE.fullmatch(value) is not None for value in values) >= MOSTLY * len(values):
            return "date"
        return "text" if len(values) > MAX_CATEGORIES or np.any(self.codes == OTHER) else "category"


def cells_of(table: Columns, column: int, rows: npt.NDArray[np.intp] | slice, missing: tuple[str, ...] = ()) -> Cells:
    """Return the cells of a column in some rows; empty cells, and those with a word in `missing`, have no value."""
    numbers, codes, words = table.numbers[rows, column], table.codes[rows, column], table.words[column]
    absent: Mask = codes == EMPTY
    for word in missing:
        if word in words:
            absent |= codes == words.index(word)
        elif _is_number(word):
            absent |= (codes == IS_NUMBER) & (numbers == float(word))
    return Cells(numbers, codes, absent, words)


def natural_order(word: str) -> list[tuple[int, float, str]]:
    """Return a key that sorts item2 before item10."""
    parts = (part for part in re.split("([0-9]{1,15})", word) if part)
    key = [(0, float(part), "") if part.isascii() and part.isdigit() else (1, 0.0, part.casefold()) for part in parts]
    return [*key, (2, 0.0, word)]


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True

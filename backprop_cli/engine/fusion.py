"""Factors and sums that BLAS does on its way, in place of calls of their own.

Each rule takes the calls of a recording, and returns others that leave the same numbers, up to rounding, in the arrays
that are `kept` (see `backprop_cli.engine.optimize`). The rules of `before_reuse` are for calls that each write a
temporary array of their own; those of `after_reuse` are for calls that write over what is not needed any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_cli.engine.blas import AXPY
from backprop_cli.engine.calls import Axpy, Call, Elementwise, Product, Reduce, Squares
from backprop_cli.engine.memory import laid_out_alike, owner, substitute, touches

NDArray = npt.NDArray[Any]
Kept = Mapping[int, NDArray]
Scaled = tuple[NDArray, NDArray]
"""An array x and a number c, for c x."""

VECTOR = 1_000
"""BLAS adds vectors of at least so many numbers. In a stack it does so network by network, which is slower for shorter
ones."""


def before_reuse(calls: list[Call], kept: Kept) -> list[Call]:
    """Move factors into products, and to the end of quotients."""
    for rule in (
        _factors_of_inputs,
        _factors_into_products,
        _factors_of_smaller_inputs,
        _signs_into_products,
        _sums_of_squares,
        _factors_last,
    ):
        calls = rule(calls, _Uses(calls, kept))
    return calls


def after_reuse(calls: list[Call], kept: Kept) -> list[Call]:
    """Add multiples of vectors, and of products, in one pass."""
    for rule in (_vectors_into_sums, _products_into_sums):
        calls = rule(calls, _Uses(calls, kept))
    return calls


class _Uses:
    """Which calls read and write the arrays, by their owners."""

    def __init__(self, calls: list[Call], kept: Kept) -> None:
        self._kept = kept
        self._readers: dict[int, list[Call]] = {}
        self._writers: dict[int, list[Call]] = {}
        for call in calls:
            self._writers.setdefault(id(owner(call.out)), []).append(call)
            for whole in {id(owner(array)) for array in call.arrays}:
                self._readers.setdefault(whole, []).append(call)

    def readers(self, array: NDArray) -> list[Call]:
        """Return the calls that read the array, or a part of it."""
        return self._readers.get(id(owner(array)), [])

    def writers(self, array: NDArray) -> list[Call]:
        """Return the calls that write the array, or a part of it."""
        return self._writers.get(id(owner(array)), [])

    def is_kept(self, array: NDArray) -> bool:
        """Whether the numbers of the array count before or after a replay."""
        return id(owner(array)) in self._kept

    def is_constant(self, array: NDArray) -> bool:
        """Whether the array has the same numbers in all replays."""
        return not self.writers(array) and not self.is_kept(array)

    def source(self, value: Any) -> Call | None:
        """Return the call that computes a temporary array as a whole, which a single other call reads."""
        if not isinstance(value, np.ndarray) or value.base is not None or self.is_kept(value):
            return None
        writers = self.writers(value)
        return writers[0] if len(writers) == len(self.readers(value)) == 1 else None


def _is(call: Call | None, *ufuncs: np.ufunc) -> bool:
    return isinstance(call, Elementwise) and call.ufunc in ufuncs


def _writes(call: Call, *arrays: NDArray) -> bool:
    return any(owner(call.out) is owner(array) for array in arrays)


def _scaled(call: Call | None) -> Scaled | None:
    """Return x and c of a call that computes c x, all of one dtype."""
    if call is None or not _is(call, np.multiply) or len(call.arrays) != 2:
        return None
    c, x = sorted(call.arrays, key=np.ndim)
    alike = c.ndim == 0 < x.ndim and x.shape == call.out.shape and c.dtype == x.dtype == call.out.dtype
    return (x, c) if alike else None


def _replaced(calls: list[Call], old: Call, *new: Call) -> list[Call]:
    place = calls.index(old)
    return calls[:place] + list(new) + calls[place + 1 :]


def _factors_of_inputs(calls: list[Call], uses: _Uses) -> list[Call]:
    """Where (c x) mask is all that c x is for, and c is constant, compute c (x mask)."""
    for call in list(calls):
        scale = uses.source(call.inputs[0]) if _is(call, np.multiply) else None
        scaled = _scaled(scale)
        if scale and scaled and uses.is_constant(scaled[1]) and np.shape(call.inputs[1]) == call.out.shape:
            masked = Elementwise([scaled[0], call.inputs[1]], np.empty_like(call.out), ufunc=np.multiply)
            calls = _replaced(calls, call, masked, Elementwise([masked.out, scaled[1]], call.out, ufunc=np.multiply))
            calls.remove(scale)
    return calls


def _factors_into_products(calls: list[Call], uses: _Uses) -> list[Call]:
    """Where c x is only for products, and c is constant, compute c (x w): BLAS has a place for c."""
    for call in list(calls):
        readers, scaled = uses.readers(call.out), _scaled(call)
        products = [product for product in readers if isinstance(product, Product) and product.scalable]
        if not scaled or uses.is_kept(call.out) or len(products) < len(readers) or call.out.base is not None:
            continue
        x, c = scaled
        final = not any(writer in calls[calls.index(call) :] for writer in uses.writers(x))
        if final and uses.is_constant(c) and x.flags.forc and laid_out_alike(x, call.out):
            for product in products:
                product.alpha *= float(c) ** sum(owner(array) is call.out for array in product.arrays)
                substitute(product, call.out, x)
            calls.remove(call)
    return calls


def _factors_of_smaller_inputs(calls: list[Call], uses: _Uses) -> list[Call]:
    """Where (c x) w is all that c x is for, and w is smaller than x, compute x (c w)."""
    for call in [call for call in calls if isinstance(call, Product) and not call.keeps]:
        for place, other in ((0, 1), (1, 0)):
            multiply, w = uses.source(call.inputs[place]), call.inputs[other]
            scaled = _scaled(multiply)
            if multiply is None or scaled is None or w.size >= scaled[0].size:
                continue
            if not any(_writes(early, *scaled) for early in calls[calls.index(multiply) : calls.index(call)]):
                smaller = Elementwise([w, scaled[1]], np.empty_like(w), ufunc=np.multiply)
                call.inputs[place], call.inputs[other] = scaled[0], smaller.out
                calls = _replaced([early for early in calls if early is not multiply], call, smaller, call)
    return calls


def _signs_into_products(calls: list[Call], uses: _Uses) -> list[Call]:
    """Where -(a b + row) is all that a product is for, as in exp(-z), compute (-a) b - row."""
    for call in list(calls):
        total = uses.source(call.inputs[0]) if _is(call, np.negative) else None
        product = uses.source(total.inputs[0]) if isinstance(total, Elementwise) and _is(total, np.add) else None
        if total and isinstance(product, Product) and product.scalable and laid_out_alike(product.out, call.out):
            product.alpha = -product.alpha
            calls = _replaced(calls, total, Elementwise(total.inputs, call.out, ufunc=np.subtract))
            calls.remove(call)
    return calls


def _sums_of_squares(calls: list[Call], uses: _Uses) -> list[Call]:
    """Where x x is all that a sum over rows is of, add while multiplying."""
    for call in list(calls):
        rows = isinstance(call, Reduce) and (call.ufunc, call.kwargs) == (np.add, {"axis": -1, "keepdims": True})
        square = uses.source(call.inputs[0]) if rows else None
        if square and _is(square, np.multiply) and square.inputs[0] is square.inputs[1]:
            x = square.inputs[0]
            if x.ndim == 2 and x.dtype in AXPY and x.flags.c_contiguous:
                calls = _replaced(calls, call, Squares([x], call.out))
                calls.remove(square)
    return calls


def _factors_last(calls: list[Call], uses: _Uses) -> list[Call]:
    """Multiply vectors by numbers last: c (d x) as (c d) x, and y ± (c x) / r as y ± c (x / r)."""
    found: list[Call] = []
    factors: dict[int, tuple[Call, Scaled]] = {}
    for call in calls:
        scaled = _scaled(call)
        inner, (x, c) = factors.get(id(call.inputs[0] if scaled is None else scaled[0]), (None, (call.out, call.out)))
        if inner and scaled:
            found.append(Elementwise([scaled[1], c], np.empty_like(c), ufunc=np.multiply))
            scaled = x, found[-1].out
        elif inner and _is(call, np.divide) and np.shape(call.inputs[1]) == x.shape and _is_added(call, uses):
            found.append(Elementwise([x, call.inputs[1]], np.empty_like(call.out), ufunc=np.divide))
            scaled = found[-1].out, c
        else:
            inner = None
        if inner and scaled:
            found.remove(inner)
            call = Elementwise([scaled[1], scaled[0]], call.out, ufunc=np.multiply)
        factors = {key: pair for key, pair in factors.items() if not _writes(call, *pair[1])}
        if scaled and scaled[0].ndim == 1 and uses.source(call.out):
            factors[id(call.out)] = call, scaled
        found.append(call)
    return found


def _is_added(call: Call, uses: _Uses) -> bool:
    """Whether the result of a call is only for a sum or a difference, as the second number."""
    return bool(uses.source(call.out)) and all(
        _is(reader, np.add, np.subtract) and reader.inputs[1] is call.out for reader in uses.readers(call.out)
    )


def _vectors_into_sums(calls: list[Call], uses: _Uses) -> list[Call]:
    """Where y <- y ± c x is the end of c x, let BLAS do it in one pass over y."""
    for call in list(calls):
        y, place = call.out, calls.index(call)
        if not _is(call, np.add, np.subtract) or call.inputs[0] is not y or y.ndim != 1 or y.size < VECTOR:
            continue
        t = call.inputs[1]
        multiply = next((other for other in reversed(calls[:place]) if other.out is t), None)
        scaled = None if t is y or uses.is_kept(t) else _scaled(multiply)
        if multiply is None or scaled is None or y.dtype not in AXPY or not _is_dead(t, calls[place + 1 :]):
            continue
        (x, c), between = scaled, calls[calls.index(multiply) + 1 : place]
        early = any(touches(other, t) or _writes(other, x, c) for other in between)
        if not early and owner(x) is not owner(y) and x.flags.forc:
            calls = _replaced(calls, call, *_added(x, c, call, uses))
            calls.remove(multiply)
    return calls


def _added(x: NDArray, c: NDArray, call: Call, uses: _Uses) -> list[Call]:
    """Return what adds c x to the result of a sum, or subtracts it from that of a difference."""
    if _is(call, np.add):
        return [Axpy([x, c], call.out)]
    minus = np.asarray(-c)
    negative = [] if uses.is_constant(c) else [Elementwise([c], minus, ufunc=np.negative)]
    return [*negative, Axpy([x, minus], call.out)]


def _is_dead(array: NDArray, following: Sequence[Call]) -> bool:
    """Whether no later call reads a temporary array before it is written as a whole."""
    call = next((call for call in following if touches(call, array)), None)
    if call is None:
        return True
    return call.out is array and not call.keeps and not any(owner(other) is array for other in call.arrays)


def _products_into_sums(calls: list[Call], uses: _Uses) -> list[Call]:
    """Where y <- mu y + c g is all that a gradient g is for, add the products that g consists of to y."""
    for call in [call for call in calls if isinstance(call, Axpy)]:
        (g, c), y, before = call.inputs, call.out, calls[: calls.index(call)]
        parts = [part for part in uses.writers(g) if isinstance(part, Product | Axpy) and part in before]
        decay = [other for other in before if touches(other, y)]
        mu = _scaled(decay[0]) if decay else None
        numbers = [writer for number in (c, *mu[1:]) for writer in uses.writers(number)] if mu else uses.writers(c)
        if (
            uses.is_kept(g)
            or uses.readers(g) != [call]
            or len(parts) < len(uses.writers(g))
            or len(decay) > 1
            or (decay and (mu is None or not mu[0] is decay[0].out is y))
            or any(uses.writers(array) for number in numbers for array in number.arrays)
            or not _covered(g, parts)
        ):
            continue
        for part in parts:
            calls = _replaced(calls, part, *_into(part, g, y, mu[1] if mu else 1.0, c))
        moved = [call, *decay, *numbers]
        calls = [*numbers, *(other for other in calls if other not in moved)]
    return calls


def _covered(g: NDArray, parts: Sequence[Product | Axpy]) -> bool:
    """Whether every number of g is written by exactly one product, before anything is added to it."""
    products = [part for part in parts if isinstance(part, Product) and part.scalable and not part.keeps]
    places = {part.out.ctypes.data for part in products}
    return g.base is None and len(places) == len(products) and sum(part.out.size for part in products) == g.size


def _into(part: Product | Axpy, g: NDArray, y: NDArray, mu: Any, c: NDArray) -> list[Call]:
    """Return what does to y what a part does to g, c times as much."""
    fresh, factor = not part.keeps, np.empty_like(c)
    scale: Call = Elementwise([c, part.factor], factor, ufunc=np.multiply)
    substitute(part, g, y)
    part.factor = factor
    if fresh:
        part.inputs[2] = mu
    return [scale, part]

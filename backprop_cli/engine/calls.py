"""The calls of a recording: what each reads and writes, and how it is made in a replay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from backprop_cli.engine.blas import LONGEST_SUM, SMALL_RESULT, axpy, by_blas, gemm, products
from backprop_cli.engine.memory import pieces
from backprop_cli.threads import blas_info

NDArray = npt.NDArray[Any]
Replays = list[Callable[[], object]]


@dataclass(eq=False)
class Call:
    """A call that writes `out`, given `inputs`: arrays and numbers.

    `by_element` says that each number of out depends on the numbers at the same place of the inputs, `in_place` that
    out may be one of the inputs. `lane` is the number of the thread that makes it, where several share a replay.
    """

    by_element: ClassVar[bool] = False
    in_place: ClassVar[bool] = False

    inputs: list[Any]
    out: NDArray
    lane: int | None = field(default=None, kw_only=True)

    @property
    def arrays(self) -> list[NDArray]:
        """The inputs that are arrays."""
        return [value for value in self.inputs if isinstance(value, np.ndarray)]

    @property
    def form(self) -> tuple[object, ...]:
        """What is fixed, besides the arrays: what the call does."""
        return (type(self),)

    @property
    def stacks(self) -> bool:
        """Whether one call on arrays (K, ...) does what K calls do on the arrays of each, and in less time."""
        return self.by_element and all(array.shape in ((), self.out.shape) for array in self.arrays)

    @property
    def keeps(self) -> bool:
        """Whether what was in out before has a part in what is in it afterwards, besides as an input."""
        return False

    def replays(self) -> Replays:
        """Return what makes the call, without arguments."""
        raise NotImplementedError

    def part(self, cut: Callable[[NDArray], NDArray]) -> Call:
        """Return the same call on a part of its arrays."""
        parts = {id(array): cut(array) for array in (*self.arrays, self.out)}  # an input that is out stays out
        return replace(self, inputs=[parts.get(id(value), value) for value in self.inputs], out=parts[id(self.out)])

    @property
    def divisible(self) -> bool:
        """Whether pieces of out can be written one without the other."""
        return self.by_element

    def split(self, lanes: int) -> list[Call]:
        """Return calls for so many threads that together do the same; one for the first if it cannot be split."""
        axis, found = pieces(self.out, lanes) if self.divisible else (0, [])
        parts = [self.piece(axis, piece) for piece in found] or [self]
        return [replace(part, lane=lane) for lane, part in enumerate(parts)]

    def piece(self, axis: int, piece: slice) -> Call:
        """Return the call that writes a piece of an axis of out, counted from the last (-1)."""
        index: Any = (..., piece, *(slice(None),) * (-axis - 1))
        length = self.out.shape[axis]

        def cut(array: NDArray) -> NDArray:
            return array[index] if array.ndim >= -axis and array.shape[axis] == length else array

        return self.part(cut)


@dataclass(eq=False)
class Elementwise(Call):
    """out <- ufunc(*inputs)."""

    by_element: ClassVar[bool] = True
    in_place: ClassVar[bool] = True

    ufunc: np.ufunc
    threads: bool = False

    @property
    def form(self) -> tuple[object, ...]:
        """The ufunc."""
        return (*super().form, self.ufunc)

    def replays(self) -> Replays:
        """Return the ufunc, or BLAS where that takes less time."""
        if call := None if self.threads or self.lane is not None else by_blas(self.ufunc, self.inputs, self.out):
            return [call]
        if self.ufunc in (np.maximum, np.minimum):  # NumPy does not want these called with `out` by position
            return [partial(self.ufunc, *self.inputs, out=self.out)]
        return [partial(self.ufunc, *self.inputs, self.out)]  # positional arguments are faster


@dataclass(eq=False)
class Copy(Call):
    """out <- x."""

    by_element: ClassVar[bool] = True

    def replays(self) -> Replays:
        """Return np.copyto."""
        return [partial(np.copyto, self.out, self.inputs[0], "same_kind")]


@dataclass(eq=False)
class Fill(Call):
    """out <- a number."""

    by_element: ClassVar[bool] = True

    def replays(self) -> Replays:
        """Return ndarray.fill."""
        return [partial(self.out.fill, self.inputs[0])]


@dataclass(eq=False)
class Select(Call):
    """out <- x where condition, else y."""

    by_element: ClassVar[bool] = True

    def replays(self) -> Replays:
        """Return two copies, the second with a mask."""
        condition, x, y = self.inputs
        return [partial(np.copyto, self.out, y), partial(np.copyto, self.out, x, "same_kind", condition)]


@dataclass(eq=False)
class Take(Call):
    """out <- the rows of x, along an axis, that the indices name."""

    axis: int

    @property
    def form(self) -> tuple[object, ...]:
        """The axis."""
        return (*super().form, self.axis)

    def replays(self) -> Replays:
        """Return np.take; the default mode would copy out."""
        x, indices = self.inputs
        return [partial(np.take, x, indices, self.axis, self.out, "clip")]


@dataclass(eq=False)
class Reduce(Call):
    """out <- ufunc.reduce(x)."""

    ufunc: np.ufunc
    kwargs: dict[str, Any] = field(default_factory=dict)

    @property
    def form(self) -> tuple[object, ...]:
        """The ufunc and what it is told."""
        return (*super().form, self.ufunc, *sorted(self.kwargs.items()))

    @property
    def stacks(self) -> bool:
        """Whether the axis is counted from the last one."""
        axis = self.kwargs.get("axis")
        return isinstance(axis, int) and axis < 0

    def replays(self) -> Replays:
        """Return ufunc.reduce."""
        return [partial(self.ufunc.reduce, self.inputs[0], **self.kwargs, out=self.out)]


@dataclass(eq=False)
class Squares(Call):
    """out <- the sums of x² over the last axis of x (n, k), as (n, 1)."""

    def replays(self) -> Replays:
        """Return np.vecdot."""
        (x,) = self.inputs
        return [partial(np.vecdot, x, x, self.out[:, 0])]


@dataclass(eq=False)
class Axpy(Call):
    """out <- out + c x, for vectors, with inputs x and c.

    BLAS rounds once where NumPy rounds twice. So that a network has the same bits alone and in a stack, its call is
    always made alone.
    """

    by_element: ClassVar[bool] = True
    stacks: ClassVar[bool] = False
    keeps: ClassVar[bool] = True

    @property
    def factor(self) -> Any:
        """The number c."""
        return self.inputs[1]

    @factor.setter
    def factor(self, c: Any) -> None:
        self.inputs[1] = c

    def replays(self) -> Replays:
        """Return calls of BLAS, on parts that BLAS does not share among its threads, which take long to wake."""
        shared = self.lane is not None  # by the threads of the replay
        length = self.out.size if shared or blas_info().get("threads") == 1 else LONGEST_SUM
        parts = [slice(start, start + length) for start in range(0, self.out.size, length)]
        calls = [axpy(self.inputs[0][part], self.out[part], self.factor, shared) for part in parts]
        assert all(calls), "BLAS takes the vectors of a sum"
        return [call for call in calls if call]


@dataclass(eq=False)
class Product(Call):
    """out <- beta out + alpha a b, with inputs a, b and beta, and with alpha if it may change between replays."""

    alpha: float = 1.0
    threads: bool = False

    @property
    def factor(self) -> Any:
        """The number alpha."""
        return self.inputs[3] if self.inputs[3:] else np.asarray(self.alpha, self.out.dtype)

    @factor.setter
    def factor(self, alpha: Any) -> None:
        self.inputs[3:] = [alpha]

    @property
    def scalable(self) -> bool:
        """Whether another alpha costs nothing."""
        return not self.threads and gemm(self.inputs[0], self.inputs[1], self.out) is not None

    @property
    def form(self) -> tuple[object, ...]:
        """alpha."""
        return (*super().form, self.alpha)

    @property
    def keeps(self) -> bool:
        """Whether beta is not 0."""
        beta = self.inputs[2]
        return isinstance(beta, np.ndarray) or beta != 0

    @property
    def divisible(self) -> bool:
        """Whether it is the product of a vector and a matrix, or of two matrices whose result is not small."""
        return self.out.ndim == 1 or (self.out.ndim == 2 and self.out.size > 2 * SMALL_RESULT)

    def piece(self, axis: int, piece: slice) -> Call:
        """Return the product with some rows of a (axis -2) or columns of b."""
        a, b, *numbers = self.inputs
        columns = axis == -1
        factors = [a, b[:, piece], *numbers] if columns else [a[piece], b, *numbers]
        return replace(self, inputs=factors, out=self.out[..., piece] if columns else self.out[piece])

    def replays(self) -> Replays:
        """Return calls of BLAS, or np.matmul where BLAS cannot do it."""
        a, b, beta, *factor = self.inputs
        alpha, unlocked = factor[0] if factor else self.alpha, self.lane is not None
        calls = products(a, b, self.out, alpha, beta, self.threads, unlocked)
        if not calls:
            assert (self.alpha, self.keeps) == (1, False), "BLAS takes the arrays of an update"
            calls = [partial(np.matmul, a, b, self.out)]
        return calls

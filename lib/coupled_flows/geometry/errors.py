"""What a function says when it cannot serve its input, and when a simulation blows up.

Every check names the argument, says what was given and what is allowed. All of them raise
`ValueError` for a value and `TypeError` for a type that cannot be served.
"""

from __future__ import annotations

import math
import operator
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.floating[Any]]


class DivergenceError(ArithmeticError):
    """A simulation left the finite numbers.

    Parameters
    ----------
    message : str
    step : int
        The first step whose result was not finite; step 1 is the first one taken.
    state : ndarray, shape (n, p)
        Every walker after step `step` - 1: the last state that is finite throughout.
    path : ndarray, shape (time, n, p), optional
        What had been recorded by then, if a path was asked for.

    Examples
    --------
    >>> try:
    ...     raise DivergenceError("the walk left the finite numbers", 3, np.zeros((1, 2)))
    ... except DivergenceError as error:
    ...     print(error, error.step, error.state)
    the walk left the finite numbers 3 [[0. 0.]]
    """

    def __init__(self, message: str, step: int, state: Array, path: Array | None = None) -> None:
        # all of them, so that the error can be pickled on its way back from another process
        super().__init__(message, step, state, path)
        self.message = message
        self.step = step
        self.state = state
        self.path = path

    def __str__(self) -> str:
        return self.message


def check_real(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
) -> float:
    """Return `value` as a finite float, or say why it is not one that is allowed."""
    allowed = "a finite real number"
    if above is not None:
        allowed += f" > {above:g}"
    if least is not None:
        allowed += f" >= {least:g}"
    if most is not None:
        allowed += f" and <= {most:g}"
    try:
        if np.asarray(value).dtype.kind not in "iufO" or np.ndim(value) != 0:
            raise TypeError
        number = float(value)
    except OverflowError:
        raise ValueError(f"{name} must be {allowed}; got {value!r}") from None
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be {allowed}; got {value!r}") from None
    good = math.isfinite(number)
    good = good and (above is None or number > above)
    good = good and (least is None or number >= least)
    good = good and (most is None or number <= most)
    if not good:
        raise ValueError(f"{name} must be {allowed}; got {value!r}")
    return number


def check_integer(name: str, value: Any, *, least: int = 0) -> int:
    """Return `value` as an int that is at least `least`."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer >= {least}; got {value!r}") from None
    if number < least:
        raise ValueError(f"{name} must be an integer >= {least}; got {value!r}")
    return number


def check_every(every: Any, n_steps: int) -> int:
    """Return after how many steps to record, a divisor of `n_steps`; None stands for all."""
    if every is None:
        return max(n_steps, 1)
    number = check_integer("every", every, least=1)
    if n_steps % number:
        raise ValueError(f"every must divide n_steps = {n_steps}; got {every}")
    return number


def check_array(name: str, value: ArrayLike, shape: tuple[int | str, ...]) -> Array:
    """Return `value` as a finite float64 array of `shape`; a letter stands for any length."""
    wanted = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
    try:
        given = np.asarray(value)
        if given.dtype.kind not in "iufO":  # no text, truth values, dates or complex numbers
            raise TypeError
        array = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(
            f"{name} must be an array of real numbers of shape {wanted}; got {value!r}"
        ) from None
    fits = array.ndim == len(shape) and all(
        isinstance(want, str) or have == want
        for have, want in zip(array.shape, shape, strict=False)
    )
    if not fits:
        raise ValueError(f"{name} must have shape {wanted}; got shape {array.shape}")
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name} must be finite; got {array[where]} at index {where}")
    return array


def check_columns(name: str, value: ArrayLike, n: int) -> Array:
    """Return `value` as a finite float64 array of shape (n,) or (n, k)."""
    try:
        columns = np.asarray(value).ndim == 2
    except (TypeError, ValueError):
        columns = False  # ragged: the next line says so
    return check_array(name, value, (n, "k") if columns else (n,))


def check_rng(rng: Any, name: str = "rng") -> np.random.Generator:
    """Return `rng` if it is a `numpy.random.Generator`."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"{name} must be a numpy.random.Generator, such as numpy.random.default_rng(1);"
            f" got {rng!r}"
        )
    return rng


def check_type(name: str, value: Any, kind: type | tuple[type, ...], allowed: str) -> Any:
    """Return `value` if it is an instance of `kind`; `allowed` says what is, in words."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {allowed}; got {value!r}")
    return value


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """Return `value` if it is one of `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}")
    return value


def check_symmetric(
    name: str, value: ArrayLike, size: int, *, kind: Literal["definite", "semidefinite"]
) -> Array:
    """Return `value` as a symmetric positive (semi)definite `(size, size)` array."""
    matrix = check_array(name, value, (size, size))
    scale = float(np.abs(matrix).max(initial=0.0))
    if scale * size > np.finfo(np.float64).max:  # a bound on the norm
        raise ValueError(f"{name} must have a norm within the range of numbers; got {scale:g}")
    skew = float(np.abs(matrix - matrix.T).max(initial=0.0))
    if skew > 1e-12 * scale:
        raise ValueError(f"{name} must be symmetric; got entries that differ by {skew:g}")
    lowest = float(np.linalg.eigvalsh(matrix)[0]) if size else 0.0
    if kind == "definite" and lowest <= 1e-14 * scale:
        raise ValueError(f"{name} must be positive definite; got the eigenvalue {lowest:g}")
    if lowest < -1e-12 * scale:
        raise ValueError(f"{name} must be positive semidefinite; got the eigenvalue {lowest:g}")
    return matrix / 2 + matrix.T / 2

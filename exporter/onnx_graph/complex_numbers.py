"""Complex tensors as pairs of real numbers.

ONNX names the dtypes complex64 and complex128, but next to no operator has a kernel for them. So a
complex `Tensor` has its logical dtype and shape, while its ONNX value is real with a last dim of 2,
the real and the imaginary part. That is the layout of complex numbers in memory everywhere: a
constant is stored by looking at its bytes as real numbers.

An operator that is called with a complex tensor goes to the rule that `complex_rule` registered
under its name; without one the call is an error. Rules of what moves and adds are in
`complex_rules`, those of functions such as `Exp` are where the functions are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import onnx_ir as ir

from exporter.errors import UnsupportedError
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

__all__ = [
    "as_real",
    "call",
    "cast",
    "complex_rule",
    "from_real",
    "is_complex",
    "make",
    "numbers_of",
    "pairs_of",
    "part_dtype",
    "parts",
]

F = TypeVar("F", bound=Callable[..., Any])
D = ir.DataType

_PARTS = {D.COMPLEX64: D.FLOAT, D.COMPLEX128: D.DOUBLE}
_WHOLES = {part: whole for whole, part in _PARTS.items()}
_RULES: dict[str, Callable[..., Any]] = {}


def is_complex(dtype: D) -> bool:
    """Whether values of this dtype are complex numbers."""
    return dtype is D.COMPLEX64 or dtype is D.COMPLEX128


def part_dtype(dtype: D) -> D:
    """The dtype of the real and imaginary parts of a complex dtype."""
    return _PARTS[dtype]


# ---------------------------------------------------------------- rules


def complex_rule(*op_types: str) -> Callable[[F], F]:
    """Register what operators do with complex tensors: `fn(g, *inputs, **attributes)`.

    It is called as the operator is, in its newest form, with at least one complex input.
    """

    def register(function: F) -> F:
        for op_type in op_types:
            _RULES[op_type] = function
        return function

    return register


def call(
    g: Builder,
    op_type: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    domain: str = "",
    outputs: int = 1,
) -> Any:
    """An operator with a complex input, by its rule."""
    rule = _RULES.get(op_type) if not domain else None
    if rule is None:
        raise UnsupportedError(f"{op_type} of complex numbers")
    if outputs != 1:
        return rule(g, *args, outputs=outputs, **kwargs)
    return rule(g, *args, **kwargs)


# ---------------------------------------------------------------- from and to real numbers


def as_real(x: Tensor) -> Tensor:
    """The real tensor with a last dim of 2 that a complex one is."""
    if x.pair is None:
        shape = None if x.shape is None else (*x.shape, 2)
        pair = Tensor(part_dtype(x.dtype), shape, value=x.value, scope=x.scope, name=x.name)
        if x.array is not None:
            pair.array = pairs_of(x.array)
        x.pair = pair
    return x.pair


def from_real(pair: Tensor) -> Tensor:
    """The complex tensor that a real one with a last dim of 2 stands for."""
    if pair.dtype not in _WHOLES:
        raise UnsupportedError(f"complex numbers of two {pair.dtype.name.lower()}")
    shape = None if pair.shape is None else pair.shape[:-1]
    result = Tensor(_WHOLES[pair.dtype], shape, value=pair.value, scope=pair.scope, name=pair.name)
    if pair.array is not None:
        result.array = numbers_of(pair.array)
    result.pair = pair
    return result


def pairs_of(array: np.ndarray) -> np.ndarray:
    """A complex array as real numbers with a last dim of 2; any other as it is."""
    if array.dtype.kind != "c":
        return array
    flat = np.ascontiguousarray(array).view(array.real.dtype)
    return flat.reshape((*array.shape, 2))


def numbers_of(array: np.ndarray) -> np.ndarray:
    """Pairs along the last dim as complex numbers: `pairs_of` back."""
    return np.ascontiguousarray(array).view(np.result_type(array, np.complex64))[..., 0]


def parts(g: Builder, x: Tensor) -> tuple[Tensor, Tensor]:
    """The real and the imaginary part."""
    if x.parts is not None:
        return x.parts
    keys = [("part", id(x), i) for i in range(2)]
    real, imaginary = (g.scope.cached(key) for key in keys)
    if real is None or imaginary is None:
        pair = as_real(x)
        real, imaginary = (g.Gather(pair, i, axis=-1) for i in range(2))
        g.scope.cache.update({keys[0]: real, keys[1]: imaginary, ("keep", id(x)): x})
    return real, imaginary


def make(g: Builder, real: Tensor, imaginary: Tensor) -> Tensor:
    """A complex tensor from its parts, which are of one dtype and broadcast."""
    if real.shape is None or real.shape != imaginary.shape:
        wide = g.Expand(real, g.shape(imaginary))
        imaginary = g.Expand(imaginary, g.shape(real))
        real = wide
    pair = g.Concat(g.Unsqueeze(real, axes=[-1]), g.Unsqueeze(imaginary, axes=[-1]), axis=-1)
    result = from_real(pair)
    result.parts = (real, imaginary)
    return result


def cast(g: Builder, x: Tensor, dtype: D) -> Tensor:
    """A tensor from or to a complex dtype.

    A real one has no imaginary part. A complex one in a real dtype is its real part, and as a bool
    whether it is not 0.
    """
    if not is_complex(dtype):
        real, imaginary = parts(g, x)
        if dtype == D.BOOL:
            return g.Or(g.cast(real, dtype), g.cast(imaginary, dtype))  # type: ignore[no-any-return]
        return g.cast(real, dtype)
    part = part_dtype(dtype)
    if is_complex(x.dtype):
        return from_real(g.cast(as_real(x), part))
    return make(g, g.cast(x, part), g.Expand(g.constant(0, part), g.shape(x)))

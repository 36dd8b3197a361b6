"""What symbolics compute with: tensors and scalars that are known now or only at run time.

A `Tensor` is one value of the graph being built. It always knows its dtype and as much of its
shape as can be known. It may be a constant (`array`), the output of a node (`value`), or a list of
integers of which some are symbolic (`elements`), which becomes nodes when one asks for its value.
A `Tensor` never changes: views and writes are the interpreter's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeAlias

import numpy as np
import onnx_ir as ir

from exporter.errors import UnsupportedError
from exporter.onnx_graph.conditions import Flag
from exporter.onnx_graph.symbolic import Dim, Shape, SymInt, resolved

if TYPE_CHECKING:
    from exporter.onnx_graph.conditions import Condition
    from exporter.onnx_graph.scope import Scope

__all__ = [
    "Number",
    "Quantization",
    "SymBool",
    "SymComplex",
    "SymFloat",
    "SymScalar",
    "Tensor",
    "is_number",
]


@dataclass(frozen=True, eq=False)
class Quantization:
    """What the numbers of a quantized tensor are: (integers - zero_point) * scale.

    A scale and a zero point for each index along `axis`, one of each where that is None.
    """

    integers: Tensor
    scale: Tensor
    zero_point: Tensor
    axis: int | None


class Tensor:
    """A tensor in the graph, of a known dtype; its shape of ints and `SymInt` (None: rank unknown).

    `array`     the value, where it is known
    `value`     the ONNX value, once there is one
    `elements`  the integers of a 0-d or 1-D int tensor, where known as expressions
    `scope`     the graph it was emitted in (None for constants, which are visible everywhere)
    `is_number` whether promotion takes it for a Python number, as it does a 0-d constant of
                TorchScript code (tracing records the 2.5 of `x + 2.5` as such a tensor)
    `meaning`   of a 0-d bool tensor, what the program's bool stands for (see `SymBool`)
    `pair`      of a complex tensor, the real one that it is in the graph (`complex_numbers`)
    `parts`     of a complex tensor, its real and imaginary part, where it was made of them
    `quantization` of a quantized tensor, its integers and what they mean (`quantized`); it then
                has no value or array itself
    `detached`  whether gradients stop here
    """

    __slots__ = (
        "_is_fixed",
        "_shape",
        "array",
        "asked",
        "detached",
        "dtype",
        "elements",
        "is_number",
        "meaning",
        "name",
        "pair",
        "parts",
        "possible",
        "quantization",
        "scope",
        "value",
    )

    def __init__(
        self,
        dtype: ir.DataType,
        shape: Shape | None,
        *,
        value: ir.Value | None = None,
        array: np.ndarray | None = None,
        elements: tuple[Dim, ...] | None = None,
        scope: Scope | None = None,
        name: str | None = None,
    ) -> None:
        self.dtype = dtype
        self.shape = shape
        self.possible: tuple[tuple[Dim | None, ...], ...] | None = None
        self.asked: dict[int | None, SymInt] = {}
        self.value = value
        self.array = array
        self.elements = elements
        self.scope = scope
        self.name = name
        self.is_number = False
        self.meaning: Condition | None = None
        self.pair: Tensor | None = None
        self.parts: tuple[Tensor, Tensor] | None = None
        self.quantization: Quantization | None = None
        self.detached = False

    @property
    def shape(self) -> Shape | None:
        """The shape, None where the number of dims is not known."""
        if self._shape is None or self._is_fixed:
            return self._shape
        return tuple(map(resolved, self._shape))

    @shape.setter
    def shape(self, shape: Shape | None) -> None:
        self._shape = shape
        self._is_fixed = shape is not None and all(isinstance(dim, int) for dim in shape)

    @property
    def known(self) -> bool:
        """Whether the value is a constant."""
        return self.array is not None

    @property
    def rank(self) -> int | None:
        """The number of dims, None where it depends on the data."""
        return None if self._shape is None else len(self._shape)

    def require_rank(self) -> int:
        """The number of dims; an error where it is only known at run time."""
        if self.shape is None:
            raise UnsupportedError("the number of dims of a tensor must be known here")
        return len(self.shape)

    def require_shape(self) -> Shape:
        """The shape, whose dims may be symbolic; an error where the rank is not known."""
        self.require_rank()
        assert self.shape is not None
        return self.shape

    def require_array(self) -> np.ndarray:
        """The constant value; an error where it is only known at run time."""
        if self.array is None:
            raise UnsupportedError("the value of a tensor must be known here")
        return self.array

    @property
    def static_shape(self) -> tuple[int, ...] | None:
        """The shape, where all its dims are known."""
        if self.shape is None:
            return None
        dims = tuple(d for d in self.shape if isinstance(d, int))
        return dims if len(dims) == len(self.shape) else None

    @property
    def is_scalar(self) -> bool:
        """Whether this certainly is a 0-d tensor."""
        return self.shape == ()

    def __repr__(self) -> str:
        shape = "?" if self.shape is None else ", ".join(map(str, self.shape))
        kind = "constant " if self.known else ""
        return f"<{kind}{self.dtype.name}[{shape}]>"


class SymScalar:
    """A float, bool or complex number of run time: a 0-d tensor in the role of a Python number."""

    __slots__ = ("tensor",)
    dtype: ir.DataType

    def __init__(self, tensor: Tensor) -> None:
        if tensor.dtype != self.dtype:
            raise ValueError(f"{type(self).__name__} of a {tensor.dtype.name} tensor")
        self.tensor = tensor

    def _unknown(self) -> UnsupportedError:
        kind = {SymFloat: "float", SymBool: "bool"}.get(type(self), "complex number")
        return UnsupportedError(f"a {kind} is only known at run time, but must be known here")

    def _arithmetic(self, *_others: object) -> NoReturn:
        """What computes with it as with a number needs to know it: nodes are the builder's."""
        raise self._unknown()

    __bool__ = __float__ = __int__ = __abs__ = __neg__ = _arithmetic
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _arithmetic
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = _arithmetic
    __pow__ = __rpow__ = __lt__ = __le__ = __gt__ = __ge__ = _arithmetic

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.tensor!r})"


class SymFloat(SymScalar):
    """A Python float (a double) of run time."""

    __slots__ = ()
    dtype = ir.DataType.DOUBLE


class SymComplex(SymScalar):
    """A Python complex number (of two doubles) of run time."""

    __slots__ = ()
    dtype = ir.DataType.COMPLEX128


class SymBool(SymScalar):
    """A Python bool of run time; `condition` says what of integers it stands for, where it does.

    Otherwise it stands for itself: in a branch on it, it is known. All bools of one tensor are one.
    """

    __slots__ = ("condition",)
    dtype = ir.DataType.BOOL

    def __init__(self, tensor: Tensor, condition: Condition | None = None) -> None:
        super().__init__(tensor)
        if condition is None:
            condition = tensor.meaning or Flag()
        self.condition = tensor.meaning = condition


Number: TypeAlias = bool | int | float | complex | SymInt | SymFloat | SymBool | SymComplex


def is_number(value: object) -> bool:
    """Whether this is a Python number in the sense of ATen's `Scalar`, known or symbolic."""
    return isinstance(value, (bool, int, float, complex, SymInt, SymScalar))

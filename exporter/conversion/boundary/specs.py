"""How an input is described without an example of it: by dtype and shape, as a list, as optional.

TensorSpec("float32", ("batch", 3))                  a tensor
SequenceSpec("float32", ("n", 3))                    a List[Tensor] of any length
SequenceSpec("int64")                                a List[int] of any length
OptionalSpec(TensorSpec("float32", (3,)))            an Optional[Tensor] that may be None
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import onnx_ir as ir

from exporter.errors import InputError

__all__ = ["Fixed", "OptionalSpec", "SequenceSpec", "Spec", "TensorSpec", "data_type"]

_ALIASES = {"float32": "FLOAT", "float64": "DOUBLE", "half": "FLOAT16", "long": "INT64"}


def data_type(name: str) -> ir.DataType:
    """The dtype of a name such as "float32" or "long"; an `InputError` if there is none."""
    try:
        return ir.DataType[_ALIASES.get(name, name.upper().replace("_", ""))]
    except KeyError:
        raise InputError(f"there is no dtype {name!r}") from None


@dataclass(frozen=True)
class TensorSpec:
    """An input by dtype and shape: `TensorSpec("float32", ("batch", 3, 224, 224))`.

    A dim that is a string is dynamic and carries that name; the same name means the same size.
    Without a shape the tensor may have any number of dims.
    """

    dtype: str
    shape: tuple[int | str, ...] | None

    @property
    def onnx_dtype(self) -> ir.DataType:
        """The dtype; an `InputError` if there is none of that name."""
        return data_type(self.dtype)

    def require_shape(self) -> tuple[int | str, ...]:
        """The shape, where it must be declared."""
        if self.shape is None:
            raise InputError(f"{self} does not say the shape")
        return self.shape

    def __str__(self) -> str:
        dims = "..." if self.shape is None else ",".join(map(str, self.shape))
        return f"{self.dtype}[{dims}]"


@dataclass(frozen=True)
class SequenceSpec:
    """A list whose length is only known at run time: `SequenceSpec("float32", ("n", 3))`.

    A list of tensors is one input, an ONNX Sequence; a list of numbers is one 1-D tensor, and has
    no shape. A dim of the tensors that is a string may differ from one to the next; without a
    shape they may have any number of dims.
    """

    dtype: str
    shape: tuple[int | str, ...] | None = None

    @property
    def onnx_dtype(self) -> ir.DataType:
        """The dtype; an `InputError` if there is none of that name."""
        return data_type(self.dtype)

    def __str__(self) -> str:
        dims = "" if self.shape is None else f"[{','.join(map(str, self.shape))}]"
        return f"list({self.dtype}{dims})"


@dataclass(frozen=True)
class OptionalSpec:
    """An input that may be None at run time, an ONNX Optional: `OptionalSpec(TensorSpec(...))`."""

    content: TensorSpec | SequenceSpec

    @property
    def onnx_dtype(self) -> ir.DataType:
        """The dtype of what it holds; an `InputError` if there is none of that name."""
        return self.content.onnx_dtype

    def __str__(self) -> str:
        return f"optional({self.content})"


@dataclass(frozen=True)
class Fixed:
    """An argument that is a part of the program: a dtype, or the default of a function."""

    value: object


Spec: TypeAlias = TensorSpec | SequenceSpec | OptionalSpec

"""How an input is described without an example of it: by dtype and shape, as a list, as optional.

TensorSpec("float32", ("batch", 3))                  a tensor
SequenceSpec("float32", ("n", 3))                    a List[Tensor] of any length
SequenceSpec("int64")                                a List[int] of any length
OptionalSpec(TensorSpec("float32", (3,)))            an Optional[Tensor] that may be None
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import onnx_ir as ir

from exporter.errors import InputError

__all__ = [
    "Fixed", "OptionalSpec", "SequenceSpec", "Spec", "TensorSpec", "data_type", "dtype_name",
    "numpy_dtype",
]  # fmt: skip

_ALIASES = {"float32": "FLOAT", "float64": "DOUBLE", "half": "FLOAT16", "long": "INT64"}


# What ONNX has and PyTorch has not.
_NO_DTYPES = ("UNDEFINED", "STRING")


def data_type(name: str) -> ir.DataType:
    """The dtype of a name such as "float32" or "long"; an `InputError` if there is none."""
    key = _ALIASES.get(name, name.upper().replace("_", ""))
    if key not in ir.DataType.__members__ or key in _NO_DTYPES:
        raise InputError(f"there is no dtype {name!r}")
    return ir.DataType[key]


def numpy_dtype(name: str) -> np.dtype[Any]:
    """NumPy's dtype of such a name."""
    return data_type(name).numpy()


def dtype_name(name: str) -> str:
    """The name as specs are written: "float32" for ONNX's own "float"."""
    return str(numpy_dtype(name).name)


def _given_dtype(given: object) -> str:
    """The name of a dtype, also of one that is PyTorch's or NumPy's own."""
    name = given if isinstance(given, str) else str(given).removeprefix("torch.")
    if isinstance(given, (type, np.dtype)):
        name = np.dtype(given).name
    data_type(name)
    return name


def _dims(given: object) -> tuple[int | str, ...] | None:
    """A shape of sizes and of names for dynamic ones."""
    if given is None:
        return None
    if not isinstance(given, Sequence) or isinstance(given, (str, bytes)):
        raise InputError(f'a shape is a tuple such as ("batch", 3), not {given!r}')
    return tuple(map(_dim, given))


def _dim(given: object) -> int | str:
    if isinstance(given, str) and given:
        return given
    size = given.__index__() if hasattr(given, "__index__") else None
    if size is None or size < 0:
        raise InputError(f"a dim is a size, or a name if it is dynamic, not {given!r}")
    return int(size)


@dataclass(frozen=True)
class TensorSpec:
    """An input by dtype and shape: `TensorSpec("float32", ("batch", 3, 224, 224))`.

    The dtype may be given as PyTorch's or NumPy's, too. A dim that is a string is dynamic and
    carries that name; the same name means the same size. Without a shape the tensor may have any
    number of dims.
    """

    dtype: str
    shape: tuple[int | str, ...] | None

    def __post_init__(self) -> None:
        """Bring dtype and shape to their form; an `InputError` if they are none."""
        object.__setattr__(self, "dtype", _given_dtype(self.dtype))
        object.__setattr__(self, "shape", _dims(self.shape))

    @property
    def onnx_dtype(self) -> ir.DataType:
        """The dtype."""
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

    def __post_init__(self) -> None:
        """Bring dtype and shape to their form; an `InputError` if they are none."""
        object.__setattr__(self, "dtype", _given_dtype(self.dtype))
        object.__setattr__(self, "shape", _dims(self.shape))

    @property
    def onnx_dtype(self) -> ir.DataType:
        """The dtype."""
        return data_type(self.dtype)

    def __str__(self) -> str:
        dims = "" if self.shape is None else f"[{','.join(map(str, self.shape))}]"
        return f"list({self.dtype}{dims})"


@dataclass(frozen=True)
class OptionalSpec:
    """An input that may be None at run time, an ONNX Optional: `OptionalSpec(TensorSpec(...))`."""

    content: TensorSpec | SequenceSpec

    def __post_init__(self) -> None:
        """An `InputError` if it holds anything else."""
        if not isinstance(self.content, (TensorSpec, SequenceSpec)):
            raise InputError(
                f"an OptionalSpec holds a TensorSpec or a SequenceSpec, not {self.content!r}"
            )

    @property
    def onnx_dtype(self) -> ir.DataType:
        """The dtype of what it holds."""
        return self.content.onnx_dtype

    def __str__(self) -> str:
        return f"optional({self.content})"


@dataclass(frozen=True)
class Fixed:
    """An argument that is a part of the program: a dtype, or the default of a function."""

    value: object


Spec: TypeAlias = TensorSpec | SequenceSpec | OptionalSpec

"""What a call of the program gets, parameter by parameter: inputs of the model and constants.

    forward(Tensor x, Dict(str, Tensor[]) d, str mode)
       x                     d = {"a": [y, z]}                  mode = "sum"
       Leaf x                DictNode a: ListNode               Constant
                                        Leaf d.a.0, Leaf d.a.1

The declared types decide what an example or a spec stands for (`argument_binding.py`). Who converts
makes graph inputs of the leaves (`signature.py`), who verifies fills them with arrays
(`verification/calls.py`).

Nested tuples, lists and dicts are flattened in order. None, strings, enums and devices are part of
the program. Numbers are inputs of run time unless they are bound. Names are the arguments' own:
`x`, `batch.image`, `state.0`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from exporter.conversion.boundary.specs import OptionalSpec, SequenceSpec, Spec, TensorSpec
from exporter.torchscript.types import Type

__all__ = [
    "Argument", "Array", "Constant", "DictNode", "Leaf", "ListNode", "RecordNode", "TupleNode",
]  # fmt: skip

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Constant:
    """Part of the program: a number, string, None, device, enum member, or array."""

    value: object


@dataclass(frozen=True)
class Leaf:
    """One input of the model.

    `kind` is "tensor", "int", "float" or "bool"; of a `SequenceSpec` it says what the elements
    are. `example` is an array where the user gave one.
    """

    name: str
    kind: str
    spec: Spec
    example: Array | None = None

    @property
    def content(self) -> TensorSpec | SequenceSpec:
        """What the input holds where it is not None."""
        return self.spec.content if isinstance(self.spec, OptionalSpec) else self.spec

    @property
    def is_optional(self) -> bool:
        """Whether the input may be None at run time."""
        return isinstance(self.spec, OptionalSpec)


@dataclass(frozen=True)
class ListNode:
    """A list of known length."""

    items: tuple[Argument, ...]
    element: Type


@dataclass(frozen=True)
class TupleNode:
    """A tuple."""

    items: tuple[Argument, ...]


@dataclass(frozen=True)
class RecordNode:
    """A named tuple of this class."""

    type_name: str
    fields: Mapping[str, Argument]


@dataclass(frozen=True)
class DictNode:
    """A dict."""

    items: Mapping[object, Argument]


Argument: TypeAlias = Constant | Leaf | ListNode | TupleNode | RecordNode | DictNode

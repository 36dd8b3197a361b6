"""One call of an ONNX operator, as shape rules, folding and derivatives look at it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from exporter.onnx_graph.signatures import Signature
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    import onnx_ir as ir

    from exporter.onnx_graph.scope import Scope
    from exporter.onnx_graph.shapes import OutputType

__all__ = ["Branches", "Call", "FunctionCall"]


class Call:
    """One operator call with its arguments placed: what shape rules and folding look at."""

    __slots__ = ("attributes", "inputs", "opset", "outputs", "signature")

    def __init__(
        self,
        signature: Signature,
        inputs: list[Tensor | None],
        attributes: dict[str, Any],
        outputs: int,
        opset: int,
    ) -> None:
        self.signature = signature
        self.inputs = inputs
        self.attributes = attributes
        self.outputs = outputs
        self.opset = opset

    @property
    def op_type(self) -> str:
        """The operator's name."""
        return self.signature.op_type

    def tensor(self, index: int) -> Tensor:
        """An input that must be there."""
        tensor = self.inputs[index]
        assert tensor is not None
        return tensor

    def optional(self, index: int) -> Tensor | None:
        """An input that may be absent."""
        return self.inputs[index] if index < len(self.inputs) else None

    def integers(self, index: int, attribute: str) -> list[Dim] | None:
        """Ints, maybe symbolic, that are an input at some opsets and an attribute at others."""
        value = self.attributes.get(attribute)
        if value is not None:
            return list(value) if isinstance(value, (list, tuple)) else [value]
        tensor = self.optional(index)
        if tensor is None:
            return None
        if tensor.elements is not None:
            return list(tensor.elements)
        if tensor.array is not None and tensor.array.dtype.kind in "iu":
            return [int(v) for v in tensor.array.reshape(-1)]
        return None

    def ints(self, index: int, attribute: str) -> list[int] | None:
        """The same, where all of them are known."""
        found = self.integers(index, attribute)
        known = [v for v in found or () if isinstance(v, int)]
        return None if found is None or len(known) < len(found) else known


class FunctionCall(Call):
    """A function that is several nodes, and the call that gave the last, None for a `Loop`."""

    __slots__ = ("made", "result")

    made: tuple[Call | Branches, Sequence[Tensor]] | None
    result: ir.Value


class Branches:
    """An `If`, as derivatives look at it: the condition, and each branch's graph and results.

    `inputs` are the tensors from around that the results depend on, once somebody has asked for
    them; `hidden` says that there may be others.
    """

    __slots__ = ("condition", "hidden", "inputs", "sides", "types")

    op_type = "If"

    def __init__(
        self,
        condition: Tensor,
        sides: Sequence[tuple[Scope, Sequence[Tensor]]],
        types: Sequence[OutputType],
    ) -> None:
        self.condition = condition
        self.sides = sides
        self.types = types
        self.inputs: Sequence[Tensor] | None = None
        self.hidden = False

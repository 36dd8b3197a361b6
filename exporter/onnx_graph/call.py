"""One call of an ONNX operator, as shape rules, folding and derivatives look at it."""

from __future__ import annotations

from typing import Any

from exporter.onnx_graph.signatures import Signature
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor

__all__ = ["Call"]


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

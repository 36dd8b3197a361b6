"""One call of an ONNX operator, as shape rules, folding and derivatives look at it."""

from __future__ import annotations

from typing import Any

from exporter.onnx_graph.signatures import Signature
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

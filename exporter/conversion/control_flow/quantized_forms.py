"""The form of a quantized tensor: its integers, and what they mean where the paths differ in that.

A scale and a zero point that are the same constants on all paths stay what they are. Otherwise they
travel beside the integers, as one double and one int64. Tensors that are quantized per channel,
differently, have no common form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import onnx_ir as ir

from exporter.conversion.values.tensors import TensorRef
from exporter.onnx_graph import quantized
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.shapes import PartialShape
from exporter.onnx_graph.values import Quantization, Tensor

__all__ = ["QuantizedForm", "quantized_form"]

D = ir.DataType


@dataclass(frozen=True)
class QuantizedForm:
    """A quantized tensor; `meaning` is the scale and the zero point that all paths agree on."""

    dtype: D
    shape: PartialShape
    meaning: Quantization | None = field(default=None, compare=False)
    source: TensorRef | Tensor | None = field(default=None, compare=False)

    def fits(self, other: QuantizedForm) -> bool:
        """Whether there is a form of both."""
        if self.dtype != other.dtype:
            return False
        return self._agrees(other) or (_is_whole(self.meaning) and _is_whole(other.meaning))

    def with_shape(self, shape: PartialShape, other: QuantizedForm | None = None) -> QuantizedForm:
        """The form, of another shape, of this tensor and another one."""
        agrees = _is_constant(self.meaning) if other is None else self._agrees(other)
        return QuantizedForm(self.dtype, shape, self.meaning if agrees else None)

    def _agrees(self, other: QuantizedForm) -> bool:
        a, b = self.meaning, other.meaning
        if a is None or b is None:
            return False
        return (
            a.axis == b.axis
            and _is_constant(a)
            and _is_constant(b)
            and quantized.same_number(a.scale, b.scale)
            and quantized.same_number(a.zero_point, b.zero_point)
        )

    @property
    def parts(self) -> list[tuple[D, PartialShape]]:
        """The dtypes and shapes of what travels."""
        integers = (self.dtype, self.shape)
        return [integers] if self.meaning is not None else [integers, (D.DOUBLE, ()), (D.INT64, ())]

    def tensors(self, g: Builder, tensor: Tensor) -> list[Tensor]:
        """What travels of a tensor."""
        held = quantized.meaning_of(tensor)
        if self.meaning is not None:
            return [held.integers]
        scale = g.cast(g.reshape(held.scale, []), D.DOUBLE)
        return [held.integers, scale, g.cast(g.reshape(held.zero_point, []), D.INT64)]

    def made(self, tensors: Sequence[Tensor]) -> Tensor:
        """The tensor, from what has travelled."""
        if self.meaning is None:
            integers, scale, zero_point = tensors
            return quantized.whole(integers, scale, zero_point)
        (integers,) = tensors
        meaning = self.meaning
        return quantized.whole(integers, meaning.scale, meaning.zero_point, meaning.axis)


def quantized_form(tensor: Tensor, source: TensorRef | Tensor) -> QuantizedForm:
    """The form of a quantized tensor."""
    return QuantizedForm(tensor.dtype, tensor.shape, quantized.meaning_of(tensor), source)


def _is_constant(meaning: Quantization | None) -> bool:
    return meaning is not None and meaning.scale.known and meaning.zero_point.known


def _is_whole(meaning: Quantization | None) -> bool:
    """Whether there is one scale; one that has travelled is."""
    return meaning is None or meaning.axis is None

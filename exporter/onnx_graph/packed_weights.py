"""Packed weights: what `quantized::*_prepack` and `prepacked::*_prepack` make and layers take.

PyTorch packs a weight for the kernels of one machine. Here it stays what it was before, the
weight with the bias and the settings of its layer, held as one value of the program.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from exporter.errors import UnsupportedError
from exporter.onnx_graph.values import Number, Tensor

__all__ = [
    "PackedCell",
    "PackedClamped",
    "PackedConv",
    "PackedEmbedding",
    "PackedLinear",
    "PackedWeights",
]


class PackedWeights:
    """Any packed weight; `class_name` is what TorchScript calls its class."""

    class_name = ""


@dataclass(frozen=True, eq=False)
class PackedLinear(PackedWeights):
    """A weight [out, in], quantized or a float; and a bias."""

    weight: Tensor
    bias: Tensor | None

    class_name = "__torch__.torch.classes.quantized.LinearPackedParamsBase"


@dataclass(frozen=True, eq=False)
class PackedConv(PackedWeights):
    """A weight as `conv*d` or (`transposed`) `conv_transpose*d` takes it, and a bias."""

    weight: Tensor
    bias: Tensor | None
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    output_padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    transposed: bool

    @property
    def class_name(self) -> str:  # type: ignore[override]
        """By the number of dims, of which one-dimensional convolutions have two."""
        return f"__torch__.torch.classes.quantized.Conv{max(self.dims, 2)}dPackedParamsBase"

    @property
    def dims(self) -> int:
        """How many dims the kernel has."""
        return len(self.stride)

    def with_dims(self, dims: int) -> PackedConv:
        """The same, or for `dims` = 1 what it is without the height that it is packed with."""
        if dims == self.dims:
            return self
        if dims != 1 or self.dims != 2 or self.weight.require_shape()[2] != 1:
            raise UnsupportedError(f"a {dims}-d convolution with a weight packed for {self.dims}-d")
        return replace(
            self,
            stride=self.stride[1:],
            padding=self.padding[1:],
            output_padding=self.output_padding[1:],
            dilation=self.dilation[1:],
        )


@dataclass(frozen=True, eq=False)
class PackedEmbedding(PackedWeights):
    """A table whose rows have a scale and a float zero point each."""

    weight: Tensor

    class_name = "__torch__.torch.classes.quantized.EmbeddingPackedParamsBase"


@dataclass(frozen=True, eq=False)
class PackedCell(PackedWeights):
    """The weights of one direction of a recurrent layer.

    `reduce_range`: what they are multiplied with is quantized to 7 bits.
    """

    input: PackedLinear
    hidden: PackedLinear
    reduce_range: bool

    class_name = "__torch__.torch.classes.rnn.CellParamsBase"


@dataclass(frozen=True, eq=False)
class PackedClamped(PackedWeights):
    """A float layer of the mobile kernels, with the limits of its results; None is no limit."""

    layer: PackedLinear | PackedConv
    minimum: Number | None
    maximum: Number | None

    @property
    def class_name(self) -> str:  # type: ignore[override]
        """By the layer that it is."""
        kind = "Linear"
        if isinstance(self.layer, PackedConv):
            kind = "TransposeConv2d" if self.layer.transposed else "Conv2d"
        return f"__torch__.torch.classes.xnnpack.{kind}OpContext"

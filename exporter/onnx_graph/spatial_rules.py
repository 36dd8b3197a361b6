"""Shape rules of operators over images: convolution, pooling, resizing, sampling, transforms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from exporter.onnx_graph.symbolic import Dim

if TYPE_CHECKING:
    from exporter.onnx_graph.call import Call
    from exporter.onnx_graph.shape_rules import PartialShape, Rule

__all__ = ["SPATIAL_RULES"]


class Windows:
    """How a window moves over the spatial dims: its size, strides, dilations and pads."""

    def __init__(self, call: Call, kernel: Sequence[Dim]) -> None:
        count = len(kernel)
        given = call.attributes
        self.kernel: list[int] = [int(k) for k in kernel]
        self.strides: list[int] = list(given.get("strides") or [1] * count)
        self.dilations: list[int] = list(given.get("dilations") or [1] * count)
        self.pads: list[int] = list(given.get("pads") or [0] * (2 * count))
        self.auto = given.get("auto_pad", "NOTSET")
        self.ceil = bool(given.get("ceil_mode", 0))

    def extent(self, i: int) -> int:
        """How many elements a window spans."""
        return int(self.dilations[i] * (self.kernel[i] - 1) + 1)

    def size(self, i: int, dim: Dim) -> Dim | None:
        """How many windows fit: floor((n + pads - extent) / stride) + 1.

        With ceil_mode a last, partial window counts, but not one that would begin in the end pad.
        """
        stride, extent = self.strides[i], self.extent(i)
        if self.auto in ("SAME_UPPER", "SAME_LOWER"):
            return -(-dim // stride)
        begin, end = (0, 0) if self.auto == "VALID" else self._pads(i)
        free = dim + begin + end - extent
        if not self.ceil:
            return free // stride + 1
        windows = -(-free // stride) + 1
        # The last window begins at most at free + stride - 1; is that ever at n + begin or later?
        if stride + end <= extent:
            return windows
        if isinstance(dim, int) and isinstance(windows, int):
            return windows - 1 if (windows - 1) * stride >= dim + begin else windows
        return None

    def transposed(self, i: int, dim: Dim, extra: int) -> Dim | None:
        """The size that a transposed convolution makes of `dim`."""
        stride = self.strides[i]
        if self.auto in ("SAME_UPPER", "SAME_LOWER"):
            return dim * stride
        begin, end = (0, 0) if self.auto == "VALID" else self._pads(i)
        return (dim - 1) * stride + extra + self.extent(i) - begin - end

    def _pads(self, i: int) -> tuple[int, int]:
        return self.pads[i], self.pads[i + len(self.kernel)]


def _conv(call: Call) -> Sequence[PartialShape] | None:
    shape, weight = call.tensor(0).shape, call.tensor(1).shape
    if shape is None or weight is None:
        return None
    kernel = call.attributes.get("kernel_shape") or weight[2:]
    if not all(isinstance(k, int) for k in kernel):
        return [(shape[0], weight[0], *[None] * (len(shape) - 2))]
    windows = Windows(call, kernel)
    spatial = [windows.size(i, d) for i, d in enumerate(shape[2:])]
    return [(shape[0], weight[0], *spatial)]


def _conv_transpose(call: Call) -> Sequence[PartialShape] | None:
    shape, weight = call.tensor(0).shape, call.tensor(1).shape
    if shape is None or weight is None:
        return None
    kernel = call.attributes.get("kernel_shape") or weight[2:]
    channels = weight[1] * call.attributes.get("group", 1)
    fixed = call.attributes.get("output_shape")
    if fixed:
        return [(shape[0], channels, *fixed[-(len(shape) - 2) :])]
    if not all(isinstance(k, int) for k in kernel):
        return [(shape[0], channels, *[None] * (len(shape) - 2))]
    windows = Windows(call, kernel)
    extra = call.attributes.get("output_padding") or [0] * len(kernel)
    spatial = [windows.transposed(i, d, extra[i]) for i, d in enumerate(shape[2:])]
    return [(shape[0], channels, *spatial)]


def _pool(call: Call) -> Sequence[PartialShape] | None:
    shape = call.tensor(0).shape
    if shape is None:
        return None
    windows = Windows(call, call.attributes["kernel_shape"])
    spatial = [windows.size(i, d) for i, d in enumerate(shape[2:])]
    return [(*shape[:2], *spatial)] * call.outputs


def _global_pool(call: Call) -> Sequence[PartialShape] | None:
    shape = call.tensor(0).shape
    return None if shape is None else [(*shape[:2], *[1] * (len(shape) - 2))]


def _resize(call: Call) -> Sequence[PartialShape] | None:
    shape = call.tensor(0).shape
    if shape is None or call.attributes.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        return None
    names = [p.name for p in call.signature.inputs]
    sizes = call.optional(names.index("sizes")) if "sizes" in names else None
    axes = [a % len(shape) for a in call.attributes.get("axes") or range(len(shape))]
    result: list[Dim | None] = list(shape)
    scales = call.optional(names.index("scales"))
    if sizes is not None:
        for i, axis in enumerate(axes):
            result[axis] = None if sizes.elements is None else sizes.elements[i]
        return [tuple(result)]
    for i, axis in enumerate(axes):
        factors = None if scales is None else scales.array
        result[axis] = None if factors is None else _scaled(shape[axis], factors[i])
    return [tuple(result)]


def _scaled(size: Dim, scale: np.float32) -> Dim | None:
    """floor(size * scale) in float32, as onnxruntime computes it; None where it has no formula."""
    if isinstance(size, int):
        return int(np.floor(np.float32(size) * scale))
    if float(scale) == int(scale):
        return size * int(scale)
    inverse = 1 / float(scale)
    if inverse == int(inverse) and math.log2(inverse) == int(math.log2(inverse)):
        return size // int(inverse)
    return None


def _depth_to_space(call: Call) -> Sequence[PartialShape] | None:
    shape, block = call.tensor(0).shape, call.attributes["blocksize"]
    if shape is None:
        return None
    n, channels, height, width = shape
    return [(n, channels // (block * block), height * block, width * block)]


def _space_to_depth(call: Call) -> Sequence[PartialShape] | None:
    shape, block = call.tensor(0).shape, call.attributes["blocksize"]
    if shape is None:
        return None
    n, channels, height, width = shape
    return [(n, channels * block * block, height // block, width // block)]


def _grid_sample(call: Call) -> Sequence[PartialShape] | None:
    shape, grid = call.tensor(0).shape, call.tensor(1).shape
    return None if shape is None or grid is None else [(*shape[:2], *grid[1:-1])]


def _affine_grid(call: Call) -> Sequence[PartialShape] | None:
    size = call.tensor(1).elements
    return None if size is None else [(size[0], *size[2:], len(size) - 2)]


def _col2im(call: Call) -> Sequence[PartialShape] | None:
    shape, image, block = call.tensor(0).shape, call.tensor(1), call.tensor(2)
    if shape is None or image.elements is None or block.elements is None:
        return None
    return [(shape[0], shape[1] // math.prod(block.elements), *image.elements)]


def _dft(call: Call) -> Sequence[PartialShape] | None:
    shape, length = call.tensor(0).shape, call.optional(1)
    if shape is None:
        return None
    if "axis" in call.signature.attributes:
        axis: Any = call.attributes.get("axis", 1)
    else:
        given = call.optional(2)
        axis = -2 if given is None else None if given.elements is None else given.elements[0]
    if not isinstance(axis, int):
        return None
    axis %= len(shape)
    result: list[Dim | None] = list(shape)
    if length is not None:
        result[axis] = length.elements[0] if length.elements else None
    found = result[axis]
    one_sided, inverse = call.attributes.get("onesided", 0), call.attributes.get("inverse", 0)
    if one_sided and inverse:
        return None
    if one_sided and found is not None:
        result[axis] = found // 2 + 1
    result[-1] = 2
    return [tuple(result)]


def _stft(call: Call) -> Sequence[PartialShape] | None:
    shape, step, window = call.tensor(0).shape, call.tensor(1).elements, call.optional(2)
    length = call.optional(3)
    size: Dim | None = None
    if length is not None and length.elements:
        size = length.elements[0]
    elif length is None and window is not None and window.shape is not None:
        size = window.shape[0]
    if shape is None or size is None or not step:
        return None
    frames = (shape[1] - size) // step[0] + 1
    return [(shape[0], frames, size // 2 + 1 if call.attributes.get("onesided", 1) else size, 2)]


def _window(call: Call) -> Sequence[PartialShape] | None:
    elements = call.tensor(0).elements
    return None if elements is None else [elements]


def _roi_align(call: Call) -> Sequence[PartialShape] | None:
    shape, rois = call.tensor(0).shape, call.tensor(1).shape
    if shape is None or rois is None:
        return None
    given = call.attributes
    return [(rois[0], shape[1], given.get("output_height", 1), given.get("output_width", 1))]


def _recurrent(call: Call) -> Sequence[PartialShape] | None:
    """Y, the outputs of all steps, then the last states: h, and c for an LSTM."""
    shape, recurrence = call.tensor(0).shape, call.tensor(2).shape
    if shape is None or recurrence is None:
        return None
    directions = 2 if call.attributes.get("direction") == "bidirectional" else 1
    hidden = call.attributes.get("hidden_size", recurrence[2])
    if call.attributes.get("layout", 0):
        batch, steps = shape[:2]
        result = [(batch, steps, directions, hidden), (batch, directions, hidden)]
    else:
        steps, batch = shape[:2]
        result = [(steps, directions, batch, hidden), (directions, batch, hidden)]
    return [*result, result[1]][: call.outputs]


def _normalized(call: Call) -> Sequence[PartialShape] | None:
    """LayerNormalization: the result, then mean and inverse deviation with the dims reduced."""
    shape = call.tensor(0).shape
    if shape is None:
        return [None] * call.outputs
    axis = call.attributes.get("axis", -1) % len(shape)
    reduced = (*shape[:axis], *[1] * (len(shape) - axis))
    return [shape, reduced, reduced][: call.outputs]


def _batch_normalized(call: Call) -> Sequence[PartialShape]:
    """The result, then running statistics of one number a channel."""
    return [call.tensor(0).shape, *[call.tensor(3).shape] * 4][: call.outputs]


SPATIAL_RULES: dict[str, Rule] = {
    "Conv": _conv,
    "ConvInteger": _conv,
    "ConvTranspose": _conv_transpose,
    **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), _pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"), _global_pool),
    "Resize": _resize,
    "Upsample": _resize,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "GridSample": _grid_sample,
    "AffineGrid": _affine_grid,
    "Col2Im": _col2im,
    "DFT": _dft,
    "STFT": _stft,
    **dict.fromkeys(("HannWindow", "HammingWindow", "BlackmanWindow"), _window),
    "RoiAlign": _roi_align,
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _recurrent),
    "LayerNormalization": _normalized,
    "BatchNormalization": _batch_normalized,
}

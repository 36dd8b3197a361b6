"""Pooling over windows of a given size. Pooling to a given size is in `adaptive_pooling`.

`ceil_mode` is not left to ONNX, whose rule for the last window has changed between versions and
differs between runtimes. The end of the input is padded by what the last window needs instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim, is_ge, sym_max, sym_min
from exporter.onnx_graph.values import Tensor
from symbolics.layers.adaptive_pooling import largest_of_all
from symbolics.layers.windows import (
    any_spatial,
    at_least_one,
    batched,
    gathered_windows,
    largest_in_windows,
    spatial,
    unbatched,
    window_indices,
)
from symbolics.registry import Raised, symbolic
from symbolics.rules import BOOL, INT64, is_float, lowest, widened

__all__ = ["avg_pool", "max_pool"]


@dataclass(frozen=True)
class Windows:
    """Windows along one dim: `outputs` of them, over an input of `size` with `end` padded behind.

    `surplus` says that floor((size + pad + end - span) / stride) + 1 may give one window too many.
    """

    size: Dim
    kernel: Dim
    stride: Dim
    pad: Dim
    dilation: int
    outputs: Dim
    end: Dim
    surplus: bool

    @property
    def gathered(self) -> bool:
        """Whether no operator has them: the run gives their size, or onnxruntime refuses the padding."""
        known = all(isinstance(n, int) for n in (self.kernel, self.stride, self.pad))
        return not known or self.end >= self.kernel

    @property
    def may_miss(self) -> bool:
        """Whether a window may read padding alone: only where a dilated step is over all of the input."""
        return self.pad != 0 and self.dilation > 1 and not is_ge(self.size, self.dilation)


def windows_along(
    size: Dim, kernel: Dim, stride: Dim, pad: Dim, dilation: int, ceil_mode: bool
) -> Windows:
    """PyTorch's `pooling_output_shape`, and what it demands of the numbers.

    Rounding up adds a window that overhangs the end, unless it would start in the padding behind
    the input. What is known only at run time gets stride - 1 more padding, whether needed or not.
    """
    span = dilation * (kernel - 1) + 1
    _require_window(kernel, stride, pad, dilation, span)
    outputs = (size + 2 * pad - span) // stride + 1
    end = pad
    surplus = False
    if ceil_mode and stride != 1:
        outputs = (size + 2 * pad - span + stride - 1) // stride + 1
        last = (outputs - 1) * stride
        if isinstance(last, int) and isinstance(size + pad, int):
            if last >= size + pad:
                outputs, last = outputs - 1, last - stride
            end = max(pad, last + span - size - pad)
        else:
            end = pad + stride - 1
            # The last window can start behind the input only where strides skip that far.
            if is_ge(span, pad + stride) is not True:
                surplus = True
                outputs = outputs - sym_min(sym_max(last - (size + pad) + 1, 0), 1)
    if isinstance(outputs, int) and outputs < 1:
        raise Raised(f"a pooling window of {span} over {size} elements padded by {pad}")
    return Windows(size, kernel, stride, pad, dilation, outputs, end, surplus)


def _require_window(kernel: Dim, stride: Dim, pad: Dim, dilation: int, span: Dim) -> None:
    """Fail where PyTorch's `pool2d_shape_check` certainly does, before it looks at the input."""
    for name, number in (("kernel_size", kernel), ("stride", stride), ("dilation", dilation)):
        if is_ge(0, number):
            raise Raised(f"{name}={number} of a pooling window: it must be above 0")
    if is_ge(-1, pad) or is_ge(2 * pad, span + 1):
        raise Raised(
            f"padding={pad} of a pooling window of {span}: it must be at most half of that"
        )


def _steps(
    dims: int, kernel_size: Sequence[Dim], stride: Sequence[Dim], padding: Sequence[Dim]
) -> tuple[list[Dim], list[Dim], list[Dim]]:
    """Kernel, stride and padding along each spatial dim; no stride means the kernel's size."""
    kernel = any_spatial(kernel_size, dims, "kernel_size")
    strides = any_spatial(stride, dims, "stride") if stride else list(kernel)
    return kernel, strides, any_spatial(padding, dims, "padding")


def pool_windows(
    x: Tensor,
    dims: int,
    kernel_size: Sequence[Dim],
    stride: Sequence[Dim],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
) -> list[Windows]:
    """The windows along each spatial dim."""
    kernel, strides, pads = _steps(dims, kernel_size, stride, padding)
    dilations = spatial(dilation, dims, "dilation")
    sizes = x.require_shape()[-dims:]
    return [
        windows_along(n, k, s, p, d, bool(ceil_mode))
        for n, k, s, p, d in zip(sizes, kernel, strides, pads, dilations, strict=True)
    ]


def whole_dims(
    x: Tensor,
    dims: int,
    kernel_size: Sequence[Dim],
    stride: Sequence[Dim],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> tuple[list[int], list[Dim], list[Dim]]:
    """The axes that one window covers, its size being that of the input at run time.

    They are to be reduced to 1; the kernel and the stride for what is left then come second and third.
    """
    kernel, strides, pads = _steps(dims, kernel_size, stride, padding)
    dilations = any_spatial(dilation, dims, "dilation")
    axes = []
    for i, size in enumerate(x.require_shape()[-dims:]):
        covered = not isinstance(kernel[i], int) and kernel[i] == size
        if covered and pads[i] == 0 and dilations[i] == 1:
            kernel[i] = strides[i] = 1
            axes.append(x.require_rank() - dims + i)
    return axes, kernel, strides


def without_surplus(g: Builder, pooled: Tensor, windows: Sequence[Windows]) -> Tensor:
    """Cut off windows that start behind the input."""
    first = pooled.require_rank() - len(windows)
    cut = [i for i, w in enumerate(windows) if w.surplus]
    if not cut:
        return pooled
    ends = [windows[i].outputs for i in cut]
    return g.Slice(pooled, [0] * len(cut), ends, [first + i for i in cut])


def cut_windows(g: Builder, x: Tensor, windows: Sequence[Windows]) -> Tensor:
    """Every window as trailing dims, [N, C, outputs..., kernel...]; the padding is written out as 0."""
    lead = [0] * (x.require_rank() - len(windows))
    pads = [*lead, *(w.pad for w in windows), *lead, *(w.end for w in windows)]
    if any(pad != 0 for pad in pads):
        x = g.Pad(x, pads)
    tables = [window_indices(g, w.outputs, w.kernel, w.stride, w.dilation) for w in windows]
    return gathered_windows(g, x, tables)


def trailing(count: int) -> list[int]:
    """The last dims, counted from the end."""
    return list(range(-count, 0))


# ------------------------------------------------------------ maximum


def max_pool(
    g: Builder,
    self: Tensor,
    dims: int,
    kernel_size: Sequence[Dim],
    stride: Sequence[Dim],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
    *,
    indices: bool,
) -> tuple[Tensor, Tensor | None]:
    """The largest element of each window, and its position in the plane.

    ONNX counts positions through batch and channels; the remainder by the plane's size is ours.
    Windows are gathered where a pad is as large as the kernel, which onnxruntime refuses, where the
    run gives their size, and for integers, which ONNX would take through floating point.
    """
    x, had_batch = batched(g, self, dims)
    values: Tensor
    positions: Tensor | None
    axes, kernel, strides = whole_dims(x, dims, kernel_size, stride, padding, dilation)
    if len(axes) == dims:
        values, positions = largest_of_all(g, at_least_one(g, x, dims), dims)
        return unbatched(g, values, had_batch), unbatched(g, positions, had_batch)
    if axes and not indices:
        x = g.ReduceMax(at_least_one(g, x, dims), axes=axes, keepdims=True)
        kernel_size, stride = kernel, strides
    windows = pool_windows(x, dims, kernel_size, stride, padding, dilation, ceil_mode)
    if not is_float(x.dtype) or any(w.gathered for w in windows):
        values, positions = largest_in_windows(g, x, [inside_table(g, w) for w in windows])
    else:
        result = g.MaxPool(
            x,
            outputs=2 if indices else 1,
            kernel_shape=[w.kernel for w in windows],
            strides=[w.stride for w in windows],
            pads=[w.pad for w in windows] + [w.end for w in windows],
            dilations=dilated(windows),
        )
        values, positions = result if indices else (result, None)
        values = without_surplus(g, values, windows)
        if positions is not None:
            plane = g.constant(math.prod(w.size for w in windows), INT64)
            positions = without_surplus(g, g.Mod(positions, plane), windows)
    values, positions = of_nothing(g, values, positions, windows)
    if positions is not None:
        positions = unbatched(g, positions, had_batch)
    return unbatched(g, at_least_one(g, values, dims), had_batch), positions


def dilated(windows: Sequence[Windows]) -> list[int] | None:
    """The dilations; None (which every version knows) where there are none."""
    dilations = [w.dilation for w in windows]
    return None if all(d == 1 for d in dilations) else dilations


def inside_table(g: Builder, w: Windows) -> Tensor:
    """What each window reads of the input, [outputs, kernel]; for padding its next element inside."""
    start, first = starts(g, w)
    last = g.Div(g.Sub(g.constant(w.size - 1, INT64), start), w.dilation)
    start, first, last = (g.reshape(t, [w.outputs, 1]) for t in (start, first, last))
    element = g.Min(g.Max(g.reshape(consecutive(g, w.kernel), [1, w.kernel]), first), last)
    place = g.Add(start, g.Mul(element, w.dilation))
    return g.Max(place, 0) if w.may_miss else place


def starts(g: Builder, w: Windows) -> tuple[Tensor, Tensor]:
    """Where each window starts, and which element of it is the first that is not before the input."""
    start = g.Sub(g.Mul(consecutive(g, w.outputs), w.stride), w.pad)
    return start, g.Div(g.Add(g.Max(g.Neg(start), 0), w.dilation - 1), w.dilation)


def of_nothing(
    g: Builder, values: Tensor, positions: Tensor | None, windows: Sequence[Windows]
) -> tuple[Tensor, Tensor | None]:
    """The lowest number for windows that dilation leads past the input, from padding to padding.

    They are at the place where PyTorch's kernel would have begun to look, even behind the plane.
    """
    if not any(w.may_miss for w in windows):
        return values, positions
    missed: Tensor = g.constant(False, BOOL)
    position: Tensor = g.constant(0, INT64)
    for i, w in enumerate(windows):
        start, first = starts(g, w)
        place = g.Add(start, g.Mul(first, w.dilation))
        place = g.reshape(place, [w.outputs, *[1] * (len(windows) - 1 - i)])
        size = g.constant(w.size, INT64)
        missed = g.Or(missed, g.GreaterOrEqual(place, size))
        position = g.Add(g.Mul(position, size), place)
    if positions is not None:
        positions = g.Where(missed, position, positions)
    return g.Where(missed, g.constant(lowest(values.dtype), values.dtype), values), positions


@symbolic(
    "aten::quantized_max_pool1d(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=[0], int[1] dilation=[1], bool ceil_mode=False) -> Tensor"
)
@symbolic(
    "aten::max_pool1d(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=[0], int[1] dilation=[1], bool ceil_mode=False) -> Tensor"
)
def max_pool1d(
    g: Builder,
    self: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> Tensor:
    """The largest element of each window; no stride means the kernel's size."""
    return max_pool(g, self, 1, kernel_size, stride, padding, dilation, ceil_mode, indices=False)[0]


@symbolic(
    "aten::quantized_max_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] dilation=1, bool ceil_mode=False) -> Tensor"
)
@symbolic(
    "aten::max_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] dilation=1, bool ceil_mode=False) -> Tensor"
)
def max_pool2d(
    g: Builder,
    self: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    ceil_mode: bool = False,
) -> Tensor:
    """The largest element of each window; no stride means the kernel's size."""
    return max_pool(g, self, 2, kernel_size, stride, padding, dilation, ceil_mode, indices=False)[0]


@symbolic(
    "aten::quantized_max_pool3d(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, int[3] dilation=1, bool ceil_mode=False) -> Tensor"
)
@symbolic(
    "aten::max_pool3d(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, int[3] dilation=1, bool ceil_mode=False) -> Tensor"
)
def max_pool3d(
    g: Builder,
    self: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0, 0, 0),
    dilation: Sequence[int] = (1, 1, 1),
    ceil_mode: bool = False,
) -> Tensor:
    """The largest element of each window; no stride means the kernel's size."""
    return max_pool(g, self, 3, kernel_size, stride, padding, dilation, ceil_mode, indices=False)[0]


@symbolic(
    "aten::max_pool1d_with_indices(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=[0], int[1] dilation=[1], bool ceil_mode=False) -> (Tensor, Tensor)"
)
def max_pool1d_with_indices(
    g: Builder,
    self: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """`max_pool1d` and where in the row each maximum is."""
    return max_pool(g, self, 1, kernel_size, stride, padding, dilation, ceil_mode, indices=True)


@symbolic(
    "aten::max_pool2d_with_indices(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)"
)
def max_pool2d_with_indices(
    g: Builder,
    self: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """`max_pool2d` and where in the plane each maximum is."""
    return max_pool(g, self, 2, kernel_size, stride, padding, dilation, ceil_mode, indices=True)


@symbolic(
    "aten::max_pool3d_with_indices(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, int[3] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)"
)
def max_pool3d_with_indices(
    g: Builder,
    self: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0, 0, 0),
    dilation: Sequence[int] = (1, 1, 1),
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """`max_pool3d` and where in the volume each maximum is."""
    return max_pool(g, self, 3, kernel_size, stride, padding, dilation, ceil_mode, indices=True)


# ------------------------------------------------------------ average


def avg_pool(
    g: Builder,
    self: Tensor,
    dims: int,
    kernel_size: Sequence[Dim],
    stride: Sequence[Dim],
    padding: Sequence[int],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window.

    The divisor counts what the window covers of the padded input (of the input alone without
    `count_include_pad`), not what overhangs behind the padding; `divisor_override` replaces it.
    """
    if divisor_override == 0:
        raise Raised("divisor_override=0: it must not be zero")
    x, had_batch = batched(g, widened(g, self), dims)
    axes, kernel, strides = whole_dims(x, dims, kernel_size, stride, padding, [1])
    if axes and is_float(x.dtype):
        reduced = g.ReduceMean if divisor_override is None else g.ReduceSum
        x = reduced(at_least_one(g, x, dims), axes=axes, keepdims=True)
        if len(axes) == dims:
            mean = x if divisor_override is None else g.Div(x, float(divisor_override))
            return unbatched(g, g.cast(mean, self.dtype), had_batch)
        kernel_size, stride = kernel, strides
    windows = pool_windows(x, dims, kernel_size, stride, padding, [1], ceil_mode)
    if not is_float(x.dtype) or any(w.gathered for w in windows):
        result = gathered_average(g, x, windows, count_include_pad, divisor_override)
    else:
        result = native_average(g, x, windows, count_include_pad, divisor_override)
    result = g.cast(result, self.dtype)
    return unbatched(g, at_least_one(g, result, dims), had_batch)


def native_average(
    g: Builder,
    x: Tensor,
    windows: Sequence[Windows],
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    """AveragePool, times the factor between ONNX's divisor and PyTorch's where they differ."""
    overhang = any(w.end > w.pad for w in windows)
    if divisor_override is not None:
        mean = mean_pool(g, x, windows, include_pad=True)
        whole = math.prod(w.kernel for w in windows)
        return g.Mul(mean, g.constant(whole / divisor_override, x.dtype))
    if count_include_pad and overhang and any(w.pad for w in windows):
        result = mean_pool(g, x, windows, include_pad=True)
        for w, count in zip(windows, counts(g, windows, include_pad=True), strict=True):
            result = g.Mul(result, g.Div(float(w.kernel), g.cast(count, x.dtype)))
        return result
    return mean_pool(g, x, windows, include_pad=bool(count_include_pad) and not overhang)


def mean_pool(g: Builder, x: Tensor, windows: Sequence[Windows], *, include_pad: bool) -> Tensor:
    """ONNX AveragePool with the padding at the end that the last windows need."""
    pads = [w.pad for w in windows] + [w.end for w in windows]
    pooled = g.AveragePool(
        x,
        kernel_shape=[w.kernel for w in windows],
        strides=[w.stride for w in windows],
        pads=pads,
        count_include_pad=include_pad if any(pads) else None,
    )
    return without_surplus(g, pooled, windows)


def counts(g: Builder, windows: Sequence[Windows], *, include_pad: bool) -> list[Tensor]:
    """How many elements each window covers, a tensor of ints for each dim, to be broadcast."""
    result = []
    for i, w in enumerate(windows):
        start = g.Sub(g.Mul(consecutive(g, w.outputs), w.stride), w.pad)
        end = g.Add(start, w.kernel)
        if include_pad:
            last = w.size + w.pad
        else:
            start, last = g.Max(start, g.constant(0, INT64)), w.size
        count = g.Sub(g.Min(end, g.constant(last, INT64)), start)
        result.append(g.reshape(count, [w.outputs, *[1] * (len(windows) - 1 - i)]))
    return result


def gathered_average(
    g: Builder,
    x: Tensor,
    windows: Sequence[Windows],
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    """Sums of gathered windows, divided; a division of integers truncates."""
    cut = cut_windows(g, x, windows)
    total = g.ReduceSum(cut, axes=trailing(len(windows)), keepdims=False)
    if divisor_override is not None:
        return g.Div(total, divisor_override)
    divisor: Tensor | None = None
    for count in counts(g, windows, include_pad=bool(count_include_pad)):
        divisor = count if divisor is None else g.Mul(divisor, count)
    assert divisor is not None
    return g.Div(total, g.cast(divisor, x.dtype))


@symbolic(
    "aten::avg_pool1d(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=[0], bool ceil_mode=False, bool count_include_pad=True) -> Tensor"
)
def avg_pool1d(
    g: Builder,
    self: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window; no stride means the kernel's size."""
    return avg_pool(g, self, 1, kernel_size, stride, padding, ceil_mode, count_include_pad)


@symbolic(
    "aten::avg_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, bool ceil_mode=False, bool count_include_pad=True, int? divisor_override=None) -> Tensor"
)
def avg_pool2d(
    g: Builder,
    self: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window; no stride means the kernel's size."""
    return avg_pool(
        g, self, 2, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@symbolic(
    "aten::avg_pool3d(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, bool ceil_mode=False, bool count_include_pad=True, int? divisor_override=None) -> Tensor"
)
def avg_pool3d(
    g: Builder,
    self: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0, 0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window; no stride means the kernel's size."""
    return avg_pool(
        g, self, 3, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )

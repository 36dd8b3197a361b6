"""torchvision's own operators, from its sources in torchvision/csrc/ops."""

from __future__ import annotations

import math

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.values import SymFloat, Tensor
from symbolics.layers.convolution import kernel_shape
from symbolics.registry import symbolic
from symbolics.rules import INT64
from symbolics.views.views import diagonal

__all__ = ["deform_conv2d", "nms", "ps_roi_align", "roi_align"]


@symbolic("torchvision::nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
def nms(g: Builder, dets: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Which boxes (x1, y1, x2, y2) stay, best score first.

    ONNX takes boxes of a batch by class, and names batch, class and box of each that stays.
    """
    count = dets.require_shape()[0]
    chosen = g.NonMaxSuppression(
        g.Unsqueeze(dets, axes=[0]),
        g.Unsqueeze(scores, axes=[0, 1]),
        g.reshape(g.constant(count, INT64), [1]),
        g.constant([float(iou_threshold)]),
    )
    return g.Squeeze(g.Slice(chosen, [2], [3], [1]), axes=[1])


def regions(g: Builder, rois: Tensor) -> tuple[Tensor, Tensor]:
    """[regions, 5] as boxes and the number of the image that each is of."""
    boxes = g.Slice(rois, [1], [5], [1])
    images = g.cast(g.Squeeze(g.Slice(rois, [0], [1], [1]), axes=[1]), INT64)
    return boxes, images


def scaled(g: Builder, boxes: Tensor, spatial_scale: float | SymFloat) -> tuple[Tensor, float]:
    """The boxes, and by what ONNX is to scale them: its attribute can't be a number of run time."""
    if not isinstance(spatial_scale, SymFloat):
        return boxes, float(spatial_scale)
    return g.Mul(boxes, g.cast(spatial_scale.tensor, boxes.dtype)), 1.0


@symbolic(
    "torchvision::roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height, int pooled_width, int sampling_ratio, bool aligned) -> Tensor"
)
def roi_align(
    g: Builder,
    input: Tensor,
    rois: Tensor,
    spatial_scale: float | SymFloat,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """Bins of each region, averaged over points that are interpolated.

    No sampling ratio (-1) adapts the number of points to the region; ONNX writes 0 for that.
    `aligned` shifts by half a pixel, ONNX's half_pixel.
    """
    boxes, images = regions(g, rois)
    boxes, scale = scaled(g, boxes, spatial_scale)
    return g.RoiAlign(
        input,
        boxes,
        images,
        spatial_scale=scale,
        output_height=int(pooled_height),
        output_width=int(pooled_width),
        sampling_ratio=max(int(sampling_ratio), 0),
        mode="avg",
        coordinate_transformation_mode="half_pixel" if aligned else "output_half_pixel",
    )


@symbolic(
    "torchvision::ps_roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, int sampling_ratio) -> (Tensor, Tensor)"
)
def ps_roi_align(
    g: Builder,
    input: Tensor,
    rois: Tensor,
    spatial_scale: float | SymFloat,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
) -> tuple[Tensor, None]:
    """`roi_align`, aligned, where each bin is averaged over channels of its own.

    Channel c of the result has its bin k from channel c * bins + k: the diagonal of what
    `roi_align` gives for all of them. Bins of no points are 0 / 0 here, and 0 there. The channels'
    numbers, only for gradients, are left out.
    """
    bins = int(pooled_height) * int(pooled_width)
    every = roi_align(
        g, input, rois, spatial_scale, pooled_height, pooled_width, sampling_ratio, True
    )
    count, channels = g.size(rois, 0), g.size(input, 1) // bins
    pairs = g.reshape(every, [count, channels, bins, bins])
    pooled = g.reshape(
        diagonal(g, pairs, 0, 2, 3), [count, channels, int(pooled_height), int(pooled_width)]
    )
    if sampling_ratio > 0:
        return pooled, None
    boxes, scale = scaled(g, rois, spatial_scale)
    sides = g.Mul(g.Sub(g.Slice(boxes, [3], [5], [1]), g.Slice(boxes, [1], [3], [1])), scale)
    points = g.Ceil(g.Div(sides, g.constant([pooled_width, pooled_height], sides.dtype)))
    empty = g.Equal(g.ReduceProd(points, axes=[1], keepdims=True), 0)
    return g.Where(g.Unsqueeze(empty, axes=[2, 3]), math.nan, pooled), None


@symbolic(
    "torchvision::roi_pool(Tensor input, Tensor rois, float spatial_scale, int pooled_height, int pooled_width) -> (Tensor, Tensor)"
)
def roi_pool(
    g: Builder,
    input: Tensor,
    rois: Tensor,
    spatial_scale: float | SymFloat,
    pooled_height: int,
    pooled_width: int,
) -> tuple[Tensor, None]:
    """The largest element of each bin of each region. Their positions, only for gradients, are left out."""
    rois = g.cast(rois, input.dtype)
    boxes = g.Slice(rois, [1], [5], [1])
    moved, scale = scaled(g, boxes, spatial_scale)
    if moved is not boxes:
        rois = g.Concat(g.Slice(rois, [0], [1], [1]), moved, axis=1)
    pooled = g.MaxRoiPool(
        input,
        rois,
        pooled_shape=[int(pooled_height), int(pooled_width)],
        spatial_scale=scale,
    )
    return pooled, None


@symbolic(
    "torchvision::deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, int stride_h, int stride_w, int pad_h, int pad_w, int dilation_h, int dilation_w, int groups, int offset_groups, bool use_mask) -> Tensor"
)
def deform_conv2d(
    g: Builder,
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor,
    bias: Tensor,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    groups: int,
    offset_groups: int,
    use_mask: bool,
) -> Tensor:
    """A convolution whose kernel's elements are each moved by an offset, (y, x), and scaled by a mask.

    Without `use_mask` the mask is there, but counts for nothing.
    """
    return g.DeformConv(
        input,
        weight,
        offset,
        bias,
        mask if use_mask else None,
        kernel_shape=kernel_shape(weight),
        strides=[int(stride_h), int(stride_w)],
        pads=[int(pad_h), int(pad_w)] * 2,
        dilations=[int(dilation_h), int(dilation_w)],
        group=int(groups),
        offset_group=int(offset_groups),
    )

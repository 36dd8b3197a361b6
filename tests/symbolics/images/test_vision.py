"""torchvision's operators, held against their definitions (torchvision itself is not needed)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
import torch
import torch.nn.functional as F

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.values import SymFloat, Tensor
from symbolics.images.vision import deform_conv2d, nms, ps_roi_align, roi_align, roi_pool

torch.manual_seed(0)


def run(function: Callable[..., Any], *arguments: Any, opset: int = 20) -> np.ndarray:
    """A symbolic's first result, tensors being inputs of run time with dynamic dims."""
    g = Builder(opset)
    inputs, feeds, lifted = [], {}, []
    for argument in arguments:
        if not isinstance(argument, torch.Tensor):
            lifted.append(argument)
            continue
        name = f"x{len(inputs)}"
        feeds[name] = argument.numpy()
        dtype = ir.DataType.from_numpy(feeds[name].dtype)
        shape = [f"{name}_{i}" for i in range(argument.dim())]
        value = ir.Value(name=name, type=ir.TensorType(dtype), shape=ir.Shape(shape))
        tensor = Tensor(dtype, None, value=value, scope=g.scope)
        tensor.shape = tuple(g.symbol(d, tensor, i) for i, d in enumerate(shape))
        inputs.append(value)
        lifted.append(tensor)
    result = function(g, *lifted)
    result = result[0] if isinstance(result, tuple) else result
    graph = ir.Graph(
        inputs,
        [g.value(result)],
        nodes=g.scope.nodes,
        initializers=list(g.initializers.values()),
        opset_imports={"": opset},
        name="main",
    )
    model = ir.serde.serialize_model(ir.Model(graph, ir_version=9)).SerializeToString()
    return onnxruntime.InferenceSession(model).run(None, feeds)[0]


def kept(boxes: torch.Tensor, scores: torch.Tensor, threshold: float) -> list[int]:
    """Greedy: a box goes if it overlaps a better one that stays by more than the threshold."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    stay: list[int] = []
    for i in scores.argsort(descending=True, stable=True).tolist():
        for j in stay:
            low, high = torch.maximum(boxes[i], boxes[j]), torch.minimum(boxes[i], boxes[j])
            inner = (high[2] - low[0]).clamp(min=0) * (high[3] - low[1]).clamp(min=0)
            if inner / (area[i] + area[j] - inner) > threshold:
                break
        else:
            stay.append(i)
    return stay


@pytest.mark.parametrize("count", [0, 1, 40])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nms(count: int, dtype: torch.dtype) -> None:
    """Best first; of equal scores the first; no boxes, no result."""
    boxes = torch.rand(count, 4, dtype=dtype) * 10
    boxes[:, 2:] += boxes[:, :2]
    scores = (torch.rand(count, dtype=dtype) * 8).round()
    found = run(nms, boxes, scores, 0.3)
    assert found.dtype == np.int64
    assert found.tolist() == kept(boxes, scores, 0.3)


def bilinear(plane: torch.Tensor, y: float, x: float) -> float:
    """Nothing beyond one element outside the plane, the border up to there."""
    height, width = plane.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = max(y, 0.0), max(x, 0.0)
    top, left = min(int(y), height - 1), min(int(x), width - 1)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down = 0.0 if top == height - 1 else y - top
    over = 0.0 if left == width - 1 else x - left
    upper = plane[top, left] * (1 - over) + plane[top, right] * over
    lower = plane[bottom, left] * (1 - over) + plane[bottom, right] * over
    return float(upper * (1 - down) + lower * down)


def aligned_regions(
    x: torch.Tensor, rois: torch.Tensor, scale: float, bins: int, ratio: int, aligned: bool
) -> torch.Tensor:
    """The definition, one number after the other."""
    result = torch.zeros(len(rois), x.shape[1], bins, bins)
    shift = 0.5 if aligned else 0.0
    for r, (image, *box) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = (v * scale - shift for v in box)
        width, height = x2 - x1, y2 - y1
        if not aligned:
            width, height = max(width, 1.0), max(height, 1.0)
        rows = ratio if ratio > 0 else math.ceil(height / bins)
        columns = ratio if ratio > 0 else math.ceil(width / bins)
        for c in range(x.shape[1]):
            for i in range(bins):
                for j in range(bins):
                    points = [
                        bilinear(
                            x[int(image), c],
                            y1 + (i + (a + 0.5) / rows) * height / bins,
                            x1 + (j + (b + 0.5) / columns) * width / bins,
                        )
                        for a in range(rows)
                        for b in range(columns)
                    ]
                    result[r, c, i, j] = sum(points) / max(len(points), 1)
    return result


REGIONS = torch.tensor(
    [[0.0, 1, 2, 9, 11], [1, 0, 0, 15, 15], [0, 4.5, 3.2, 5.1, 3.4], [1, -3, -2, 30, 8]]
)


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("ratio", [-1, 1, 2])
@pytest.mark.parametrize("opset", [9, 13, 20, 23])
def test_roi_align(aligned: bool, ratio: int, opset: int) -> None:
    """Small regions, and regions beyond the image; also where there is no kernel."""
    x = torch.randn(2, 2, 8, 7)
    found = run(roi_align, x, REGIONS, 0.5, 3, 3, ratio, aligned, opset=opset)
    expected = aligned_regions(x, REGIONS, 0.5, 3, ratio, aligned)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    none = run(roi_align, x, REGIONS[:0], 0.5, 3, 2, ratio, aligned, opset=opset)
    assert none.shape == (0, 2, 3, 2)


@pytest.mark.parametrize("ratio", [-1, 2])
def test_ps_roi_align(ratio: int) -> None:
    """Bin k of channel c is that of channel c * bins + k; an empty region has no average."""
    x = torch.randn(2, 8, 8, 8)
    empty = torch.tensor([[0.0, 3, 3, 3, 9]])
    found = run(ps_roi_align, x, torch.cat([REGIONS, empty]), 0.5, 2, 2, ratio)
    every = aligned_regions(x, torch.cat([REGIONS, empty]), 0.5, 2, ratio, True)
    expected = every.reshape(5, 2, 4, 4).diagonal(0, 2, 3).reshape(5, 2, 2, 2)
    if ratio < 0:
        expected[4] = torch.nan
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("opset", [13, 23])
def test_roi_pool(opset: int) -> None:
    """The largest element of each bin; a bin beyond the image has none, and gives 0."""
    x = torch.arange(64.0).reshape(1, 1, 8, 8) - 70
    regions = torch.tensor([[0.0, 0, 0, 7, 7], [0, 2, 2, 5, 3], [0, 6, 6, 9, 9], [0, 2.5, 1, 3, 1]])
    found = run(roi_pool, x, regions, 1.0, 2, 2, opset=opset) + 70
    expected = [[27, 31, 59, 63], [19, 21, 27, 29], [63, 70, 70, 70], [11, 11, 11, 11]]
    assert found.reshape(4, 4).tolist() == expected
    assert run(roi_pool, x, regions[:0], 1.0, 2, 3, opset=opset).shape == (0, 1, 2, 3)


def with_scale(function: Callable[..., Any], **fixed: Any) -> Callable[..., Any]:
    """The symbolic with its scale read from an input."""

    def called(g: Builder, x: Tensor, rois: Tensor, scale: Tensor) -> Any:
        scale.shape = ()
        return function(g, x, rois, SymFloat(scale), **fixed)

    return called


@pytest.mark.parametrize("opset", [13, 20, 23])
def test_scales_of_run_time(opset: int) -> None:
    """Scales that are worked out from sizes of images; ONNX has them as attributes."""
    x = torch.randn(2, 8, 8, 7)
    scale = torch.tensor(0.5, dtype=torch.float64)
    pooled = {"pooled_height": 2, "pooled_width": 2}
    sampled = {**pooled, "sampling_ratio": -1}
    for function, fixed in [
        (roi_align, {**sampled, "aligned": False}),
        (roi_align, {**sampled, "aligned": True}),
        (ps_roi_align, sampled),
        (roi_pool, pooled),
    ]:
        found = run(with_scale(function, **fixed), x, REGIONS, scale, opset=opset)
        expected = run(function, x, REGIONS, 0.5, *fixed.values(), opset=opset)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("use_mask", [False, True])
def test_deform_conv2d(use_mask: bool) -> None:
    """No offsets: a convolution. Whole offsets: a convolution of the moved image."""
    x, weight, bias = torch.randn(2, 4, 6, 7), torch.randn(6, 2, 3, 3), torch.randn(6)
    mask = torch.full((2, 9, 6, 7), 0.5)
    settings = (1, 1, 1, 1, 1, 1, 2, 1, use_mask)
    scale = 0.5 if use_mask else 1.0
    still = run(deform_conv2d, x, weight, torch.zeros(2, 18, 6, 7), mask, bias, *settings)
    expected = F.conv2d(x, weight * scale, bias, 1, 1, 1, 2)
    np.testing.assert_allclose(still, expected, rtol=1e-4, atol=1e-5)
    offset = torch.zeros(2, 9, 2, 6, 7)
    offset[:, :, 1] = 1
    moved = run(deform_conv2d, x, weight, offset.reshape(2, 18, 6, 7), mask, bias, *settings)
    shifted = F.pad(x, (1, 2, 1, 1))[..., 1:]
    expected = F.conv2d(shifted, weight * scale, bias, 1, 0, 1, 2)
    np.testing.assert_allclose(moved, expected, rtol=1e-4, atol=1e-5)

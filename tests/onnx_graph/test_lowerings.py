"""Every lowering computes what the operator computes at an opset that has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from exporter.errors import UnsupportedError
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.lowerings import doubles, find_lowering
from exporter.onnx_graph.lowerings.registry import _ROWS, ALWAYS
from exporter.onnx_graph.signatures import NOT_DETERMINISTIC
from tests.onnx_graph.running import graph_input, run

NEWEST = 26
RNG = np.random.default_rng(0)


def floats(*shape: int, dtype: str = "float32") -> np.ndarray:
    return RNG.standard_normal(shape).astype(dtype)


def ints(*shape: int, low: int = -9, high: int = 9, dtype: str = "int64") -> np.ndarray:
    return RNG.integers(low, high, shape).astype(dtype)


SPECIAL = np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, np.nan, np.inf, -np.inf, 0.3, -0.7, 1e9], "f4")

# An image, boxes in it and beyond, and the number of the image of each.
REGIONS = [
    floats(2, 3, 8, 9),
    np.array(
        [[0, 0, 5, 5], [1.5, 2, 7.2, 6], [3, 3, 3.1, 3.2], [-4, 2, 30, 3], [5, 5, 4, 1]], "f4"
    ),
    np.array([0, 1, 1, 0, 1]),
]

# (name, function, inputs, opsets to compare with the newest)
Case = tuple[str, Callable[..., Any], list[np.ndarray], tuple[int, ...]]
CASES: list[Case] = [
    ("Max", lambda g, x, y: g.Max(x, y), [ints(3, 1), ints(2)], (9, 11)),
    ("Max nan", lambda g, x: g.Max(x, 1.0), [SPECIAL], (9, 11)),
    ("Min", lambda g, x, y: g.Min(x, y, 3), [ints(3, dtype="int32"), ints(3, dtype="int32")], (9,)),
    ("Clip ints", lambda g, x: g.Clip(x, -2, 3), [ints(9)], (9, 11)),
    ("Clip one", lambda g, x: g.Clip(x, None, 0.5), [SPECIAL], (9, 10, 11)),
    ("Clip tensors", lambda g, x, a, b: g.Clip(x, a, b), [SPECIAL, np.array(-1, "f4"),
     np.array(1, "f4")], (9, 11)),
    ("Add", lambda g, x: g.Add(x, 0.0), [np.array([-0.0, 0.0, 3.0], "f4")], (9, 20)),
    ("Relu", lambda g, x: g.Relu(x), [ints(9)], (9, 13, 14)),
    ("GreaterOrEqual", lambda g, x: g.GreaterOrEqual(x, 0.5), [SPECIAL], (9, 11)),
    ("LessOrEqual", lambda g, x: g.LessOrEqual(x, 0.5), [SPECIAL], (9, 11)),
    ("Equal", lambda g, x: g.Equal(x, x), [SPECIAL], (9, 10)),
    ("Equal int8", lambda g, x: g.Equal(x, 3), [ints(50, dtype="int8")], (9, 10)),
    ("IsInf", lambda g, x: g.IsInf(x), [SPECIAL], (9,)),
    ("IsInf positive", lambda g, x: g.IsInf(x, detect_negative=0), [SPECIAL], (9,)),
    ("NonZero", lambda g, x: g.NonZero(x), [np.array([0, 1e-300, -0.0, np.nan])], (9, 20)),
    ("Mod", lambda g, x, y: g.Mod(x, y), [ints(50), np.tile([3, -3, 7, -1, 2], 10)], (9,)),
    ("Mod C", lambda g, x: g.Mod(x, -3, fmod=1), [ints(50)], (9,)),
    ("Pow ints", lambda g, x: g.Pow(x, 3), [ints(9, dtype="int32")], (9, 11)),
    ("Pow mixed", lambda g, x, y: g.Pow(x, y), [floats(9), ints(9, low=0, high=4)], (9, 11)),
    ("Pow int8", lambda g, x: g.Pow(x, 3), [ints(9, dtype="int8")], (11, 13)),
    ("Round", lambda g, x: g.Round(x), [SPECIAL], (9, 10)),
    ("Round double", lambda g, x: g.Round(x), [SPECIAL.astype("f8")], (9, 10)),
    ("Range", lambda g, x: g.Range(x, g.constant(9), g.constant(2)), [np.array(-3)], (9, 10)),
    ("Range down", lambda g, x: g.Range(x, g.constant(-4), g.constant(-3)), [np.array(7)], (9,)),
    ("Range empty", lambda g, x: g.Range(x, g.constant(-4), g.constant(3)), [np.array(7)], (9,)),
    ("Range float", lambda g, x: g.Range(x, 2.0, 0.3), [np.array(0.5, "f4")], (9, 10)),
    ("CumSum", lambda g, x: g.CumSum(x, 1), [floats(2, 5, 3)], (9, 10)),
    ("CumSum other", lambda g, x: g.CumSum(x, -1, exclusive=1, reverse=1), [ints(2, 5)], (9, 10)),
    ("BitwiseAnd", lambda g, x, y: g.BitwiseAnd(x, y), [ints(50), ints(50)], (9, 13, 17)),
    ("BitwiseOr", lambda g, x, y: g.BitwiseOr(x, y), [ints(50, dtype="int32"),
     ints(50, dtype="int32")], (9, 11, 17)),
    ("BitwiseXor", lambda g, x, y: g.BitwiseXor(x, y), [ints(50, low=0, high=255, dtype="uint8"),
     ints(50, low=0, high=255, dtype="uint8")], (9, 11, 17)),
    ("BitwiseAnd extremes", lambda g, x: g.BitwiseXor(x, -(2**63)),
     [np.array([2**63 - 1, -(2**63), -1, 0, 5])], (11, 17)),
    ("BitwiseNot", lambda g, x: g.BitwiseNot(x), [ints(9)], (9, 17)),
    ("BitwiseNot uint8", lambda g, x: g.BitwiseNot(x), [ints(9, low=0, dtype="uint8")], (13, 17)),
    ("BitShift", lambda g, x: g.BitShift(x, g.constant([0, 1, 63], x.dtype), direction="LEFT"),
     [np.array([3, 2**63 + 5, 2**64 - 1], "u8")], (9, 10)),
    ("BitShift right", lambda g, x: g.BitShift(x, g.constant([0, 1, 31], x.dtype), direction="RIGHT"),  # noqa: E501  a row
     [np.array([3, 2**31 + 5, 2**32 - 1], "u4")], (9, 10)),
    ("Gemm", lambda g, x, y: g.Gemm(x, y, transB=1), [floats(2, 3), floats(4, 3)], (9, 10)),
    ("Gelu", lambda g, x: g.Gelu(x), [floats(9)], (9, 13, 19)),
    ("Gelu tanh", lambda g, x: g.Gelu(x, approximate="tanh"), [floats(9)], (9, 13, 19)),
    ("Mish", lambda g, x: g.Mish(x), [floats(9)], (9, 17)),
    ("RoiAlign", lambda g, x, rois, image: g.RoiAlign(
        x, rois, image, output_height=2, output_width=3, sampling_ratio=2,
        coordinate_transformation_mode="output_half_pixel",
    ), REGIONS, (9, 10, 13, 20)),
    ("RoiAlign half", lambda g, x, rois, image: g.RoiAlign(
        x, rois, image, output_height=2, output_width=3, spatial_scale=0.7,
    ), REGIONS, (9, 13, 20)),
    ("MaxRoiPool", lambda g, x, rois: g.MaxRoiPool(x, rois, pooled_shape=[3, 2]),
     [REGIONS[0], np.concatenate([REGIONS[2][:, None].astype("f4"), REGIONS[1]], 1)], (13, 20)),
    ("HardSwish", lambda g, x: g.HardSwish(x), [floats(9) * 4], (9, 13)),
    ("HardSigmoid", lambda g, x: g.HardSigmoid(x, alpha=0.25), [SPECIAL.astype("f8")], (9, 20)),
    ("InstanceNormalization", lambda g, x, s, b: g.InstanceNormalization(x, s, b, epsilon=0.1),
     [floats(2, 3, 4, dtype="f8"), floats(3, dtype="f8"), floats(3, dtype="f8")], (9, 17, 20)),
    ("Celu", lambda g, x: g.Celu(x, alpha=1.7), [floats(9)], (9, 11)),
    ("Swish", lambda g, x: g.Swish(x, alpha=1.5), [floats(9)], (9, 23)),
    ("ThresholdedRelu", lambda g, x: g.ThresholdedRelu(x, alpha=0.3), [floats(9)], (9,)),
    ("Softmax", lambda g, x: g.Softmax(x, axis=1), [floats(2, 3, 4)], (9, 11, 12)),
    ("Softmax last", lambda g, x: g.Softmax(x), [floats(2, 3, 4)], (9, 12)),
    ("LogSoftmax", lambda g, x: g.LogSoftmax(x, axis=0), [floats(2, 3, 4)], (9, 12)),
    ("Hardmax", lambda g, x: g.Hardmax(x, axis=1), [floats(2, 3, 4)], (9, 12)),
    ("HannWindow", lambda g, x: g.HannWindow(x), [np.array(10)], (11, 16)),
    ("HammingWindow", lambda g, x: g.HammingWindow(x, periodic=0), [np.array(10)], (11, 16)),
    ("BlackmanWindow", lambda g, x: g.BlackmanWindow(x), [np.array(10)], (9, 16)),
    ("LayerNormalization", lambda g, x, s, b: g.LayerNormalization(x, s, b, axis=-2),
     [floats(2, 3, 4), floats(3, 4), floats(3, 4)], (9, 13, 16)),
    ("LayerNormalization double", lambda g, x, s: g.LayerNormalization(x, s),
     [floats(2, 4, dtype="f8"), floats(4, dtype="f8")], (13, 16)),
    ("LayerNormalization outputs", lambda g, x, s: g.LayerNormalization(x, s, outputs=3),
     [floats(2, 4), floats(4)], (13, 16)),
    ("RMSNormalization", lambda g, x, s: g.RMSNormalization(x, s, epsilon=1e-3),
     [floats(2, 4), floats(4)], (9, 13, 18, 22)),
    ("GroupNormalization", lambda g, x, s, b: g.GroupNormalization(x, s, b, num_groups=2),
     [floats(2, 4, 3, 3), floats(4), floats(4)], (9, 13, 18, 20)),
    ("GroupNormalization double", lambda g, x, s, b: g.GroupNormalization(x, s, b, num_groups=2),
     [floats(2, 4, 3, dtype="f8"), floats(4, dtype="f8"), floats(4, dtype="f8")], (13, 20)),
    ("BatchNormalization", lambda g, x, s, b, m, v: g.BatchNormalization(x, s, b, m, v),
     [floats(2, 4, 3), floats(4), floats(4), floats(4), floats(4) ** 2], (9, 13, 14)),
    ("BatchNormalization training", lambda g, x, s, b, m, v: g.BatchNormalization(
        x, s, b, m, v, training_mode=1, momentum=0.7, outputs=3),
     [floats(2, 4, 3), floats(4), floats(4), floats(4), floats(4) ** 2], (9, 13)),
    ("GatherElements", lambda g, x, i: g.GatherElements(x, i, axis=1),
     [floats(3, 4, 2), ints(3, 2, 2, low=-4, high=4)], (9, 10)),
    ("GatherND", lambda g, x, i: g.GatherND(x, i), [floats(3, 4, 2),
     ints(5, 2, low=-3, high=3)], (9, 10)),
    ("GatherND batch", lambda g, x, i: g.GatherND(x, i, batch_dims=1), [floats(3, 4, 2),
     ints(3, 5, 1, low=0, high=4)], (9, 11)),
    ("Trilu", lambda g, x: g.Trilu(x), [floats(2, 3, 4)], (9, 11, 13)),
    ("Trilu lower", lambda g, x: g.Trilu(x, -1, upper=0), [ints(4, 3)], (9, 13)),
    ("OneHot", lambda g, i: g.OneHot(i, [5], g.constant([0, 1]), axis=0), [ints(3)], (9, 11)),
    ("OneHot bool", lambda g, i: g.OneHot(i, [5], g.constant(np.array([False, True]))),
     [ints(3)], (9, 11)),
    ("TopK", lambda g, x: g.TopK(x, [2], axis=0, outputs=2), [floats(5, 2)], (9, 10)),
    ("TopK smallest", lambda g, x: g.TopK(x, [2], largest=0, outputs=2),
     [RNG.permutation(10).reshape(2, 5)], (9, 10)),
    ("ArgMax last", lambda g, x: g.ArgMax(x, axis=1, select_last_index=1),
     [ints(3, 5, low=0, high=2).astype("f4")], (9, 11)),
    ("EyeLike", lambda g, x: g.EyeLike(x, k=1, dtype=2), [floats(3, 4)], (9, 20)),
    ("ScatterElements", lambda g, x, u: g.ScatterElements(x, [[0, 2], [1, 0]], u, axis=0),
     [floats(3, 4), floats(2, 2)], (9, 10)),
    *[
        (f"ScatterElements {r}", lambda g, x, i, u, r=r: g.ScatterElements(
            x, i, u, axis=1, reduction=r), [floats(3, 4), ints(3, 6, low=-4, high=4),
         floats(3, 6)], (9, 11, 15, 17))
        for r in ("add", "mul", "max", "min")
    ],
    *[
        (f"ScatterND {r}", lambda g, x, i, u, r=r: g.ScatterND(x, i, u, reduction=r),
         [floats(3, 4, 2), ints(7, 2, low=-3, high=3), floats(7, 2)], (9, 11, 15, 17))
        for r in ("add", "mul", "max", "min")
    ],
    ("ScatterND", lambda g, x, u: g.ScatterND(x, [[1, -1], [0, 2]], u),
     [floats(3, 4, 2), floats(2, 2)], (9, 10)),
    ("ScatterND none", lambda g, x, i, u: g.ScatterND(x, i, u, reduction="add"),
     [floats(3, 4), ints(0, 1), floats(0, 4)], (9, 11, 15)),
    ("ScatterND half", lambda g, x, i, u: g.ScatterND(x, i, u, reduction="add"),
     [floats(3, 4, dtype="f2"), ints(2, 1, low=0, high=3), floats(2, 4, dtype="f2")], (11, 16, 20)),
    ("Expand", lambda g, x: g.Expand(x, [2, 0, 1]), [floats(1, 3)], (9, 20)),
    ("Expand lead", lambda g, x: g.Expand(x, [0, 3]), [floats(2, 1, 3)], (9, 20)),
    ("Pad axes", lambda g, x: g.Pad(x, [1, 2], 3.0, [-1]), [floats(2, 3)], (9, 10, 11, 17)),
    ("Pad ints", lambda g, x: g.Pad(x, [0, 1, 0, 2]), [ints(2, 3)], (9, 11, 12)),
    ("Pad bool", lambda g, x: g.Pad(x, [0, 1, 0, 2]), [floats(2, 3) > 0], (9, 11, 12)),
    ("Pad reflect", lambda g, x: g.Pad(x, [0, 1, 0, 2], mode="reflect"), [floats(2, 3)], (9, 11)),
    ("Pad edge", lambda g, x: g.Pad(x, [0, 1, 0, 2], mode="edge"), [floats(2, 3)], (9, 11)),
    ("Pad negative", lambda g, x: g.Pad(x, [0, -1, 0, 2]), [floats(2, 3)], (9, 11)),
    ("Pad wrap", lambda g, x: g.Pad(x, [0, 2, 0, 1], mode="wrap"), [floats(2, 3)], (9, 11, 18)),
    ("Pad computed", lambda g, x, n: g.Pad(x, g.constant([0, 1, 0, 2])), [floats(2, 3), ints(1)],
     (9, 11)),
    ("Slice", lambda g, x: g.Slice(x, [1, -3], [5, 100], [0, -1]), [floats(6, 7)], (9, 10)),
    ("Slice steps", lambda g, x: g.Slice(x, [5, -1], [-100, 0], [0, 1], [-2, -3]),
     [floats(6, 7)], (9,)),
    ("Slice sizes", lambda g, x: g.Slice(x, [g.size(x, 0) - 4], [g.size(x, 1)], [0]),
     [floats(6, 7)], (9,)),
    ("Split", lambda g, x: g.Split(x, axis=1, num_outputs=3, outputs=3), [floats(2, 7)],
     (9, 12, 13, 17)),
    ("Split sizes", lambda g, x: g.Split(x, [2, 5], axis=-1, outputs=2), [floats(2, 7)], (9, 13)),
    ("Shape", lambda g, x: g.Shape(x, start=1, end=-1), [floats(2, 3, 4, 5)], (9, 10, 14)),
    ("Reshape zero", lambda g, x: g.reshape(x, [3, 0, 2]), [floats(0, 4)], (9, 13)),
    ("DepthToSpace", lambda g, x: g.DepthToSpace(x, blocksize=2, mode="CRD"),
     [floats(2, 8, 3, 2)], (9, 10)),
    ("Einsum", lambda g, x, y: g.Einsum(x, y, equation="bij,bjk->bik"),
     [floats(2, 3, 4), floats(2, 4, 5)], (9, 11)),
    ("Einsum three", lambda g, x, y, z: g.Einsum(x, y, z, equation="ab,bc,cd->da"),
     [floats(2, 3), floats(3, 4), floats(4, 5)], (9, 11)),
    ("Einsum dots", lambda g, x, y: g.Einsum(x, y, equation="...ij,...kj->...ki"),
     [floats(2, 3, 4), floats(2, 5, 4)], (9, 11)),
    ("Einsum sums", lambda g, x, y: g.Einsum(x, y, equation="ij,kl->k"),
     [floats(2, 3), floats(4, 5)], (11,)),
    ("Einsum implicit", lambda g, x, y: g.Einsum(x, y, equation="ij,jk"),
     [floats(2, 3), floats(3, 5)], (11,)),
    ("Einsum outer", lambda g, x, y: g.Einsum(x, y, equation="i,j->ij"), [floats(2), floats(3)],
     (9, 11)),
    ("MaxPool ceil", lambda g, x: g.MaxPool(x, kernel_shape=[3], strides=[2], ceil_mode=1),
     [floats(1, 2, 6)], (9,)),
    ("AveragePool 1-D", lambda g, x: g.AveragePool(x, kernel_shape=[5]), [floats(2, 6, 9)],
     (9, 18, 19, 20, 22)),
    ("AveragePool 2-D", lambda g, x: g.AveragePool(x, kernel_shape=[3, 2], strides=[2, 1],
     pads=[1, 0, 2, 1], count_include_pad=1), [floats(2, 3, 9, 8)], (9, 18, 19, 20, 22)),
    ("AveragePool pads", lambda g, x: g.AveragePool(x, kernel_shape=[3, 2], pads=[1, 0, 1, 1]),
     [floats(2, 3, 9, 8)], (9, 18, 19, 20, 22)),
    ("AveragePool 3-D", lambda g, x: g.AveragePool(x, kernel_shape=[2, 2, 3]),
     [floats(2, 16, 4, 5, 6)], (9, 18, 19, 20, 22)),
    ("AveragePool double", lambda g, x: g.AveragePool(x, kernel_shape=[2]),
     [floats(2, 3, 8, dtype="float64")], (18, 19, 22)),
    ("AveragePool ceil", lambda g, x: g.AveragePool(x, kernel_shape=[3], strides=[2], ceil_mode=1),
     [floats(1, 2, 6)], (9,)),
    ("MatMul outer", lambda g, x, y: g.MatMul(x, y), [floats(70, 3, 1), floats(2, 70, 1, 4)],
     (9, 18)),
    ("MatMul vector", lambda g, x, y: g.MatMul(g.Transpose(x, perm=[1, 0]), y),
     [floats(3, 4), floats(3)], (9, 13, 20)),
    ("MatMul dot", lambda g, x, y: g.MatMul(x, y), [floats(8, 1, 1, 5), floats(9, 5, 1)], (9, 18)),
    ("ReduceSum", lambda g, x: g.ReduceSum(x, axes=[-3, 1], keepdims=False),
     [floats(80, 2, 3, 1, 1)], (9, 11, 13, 18)),
    ("ReduceMean", lambda g, x: g.ReduceMean(x, axes=[2]), [floats(8, 9, 3, 1)], (9, 13, 18)),
    ("DFT", lambda g, x: g.DFT(x, onesided=1, axis=1), [floats(2, 6, 1)], (11, 16, 17)),
    ("DFT complex", lambda g, x: g.DFT(x, axis=-2), [floats(2, 5, 2)], (9, 16, 17)),
    ("DFT inverse", lambda g, x: g.DFT(x, inverse=1, axis=1), [floats(2, 5, 3, 2)], (9, 16, 17)),
    ("STFT", lambda g, x, w: g.STFT(x, g.constant(2), w, g.constant(4)), [floats(2, 11, 1),
     floats(4)], (9, 16)),
    ("Col2Im", lambda g, x: g.Col2Im(x, [5, 6], [2, 3], strides=[2, 1]), [floats(2, 12, 8)],
     (9, 11, 17)),
    ("Col2Im pads", lambda g, x: g.Col2Im(x, [4, 5], [2, 2], pads=[1, 0, 1, 1], dilations=[1, 2]),
     [floats(1, 8, 20)], (9, 17)),
]  # fmt: skip

RESIZE = [
    (mode, coordinates, nearest)
    for mode in ("nearest", "linear", "cubic")
    for coordinates in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
    for nearest in (("floor", "round_prefer_floor") if mode == "nearest" else ("floor",))
]


def _resize(mode: str, coordinates: str, nearest: str, sizes: list[int]) -> Callable[..., Any]:
    return lambda g, x: g.Resize(
        x,
        None,
        None,
        sizes,
        mode=mode,
        coordinate_transformation_mode=coordinates,
        nearest_mode=nearest,
    )


CASES += [
    (
        f"Resize {mode} {coordinates} {nearest} {sizes}",
        _resize(mode, coordinates, nearest, sizes),
        [floats(1, 2, 4, 5)],
        (9, 10, 11, 13, 18),
    )
    for mode, coordinates, nearest in RESIZE
    for sizes in ([1, 2, 8, 10], [1, 2, 3, 7])
]


def _grid(mode: str, padding: str, corners: int) -> Callable[..., Any]:
    return lambda g, x, grid: g.GridSample(
        x, grid, mode=mode, padding_mode=padding, align_corners=corners
    )


CASES += [
    (f"GridSample {mode} {padding} {corners}", _grid(mode, padding, corners),
     [floats(2, 3, 4, 5), floats(2, 3, 6, 2)], (9, 15, 16))
    for mode in ("nearest", "linear", "cubic")
    for padding in ("zeros", "border", "reflection")
    for corners in (0, 1)
]  # fmt: skip
CASES += [
    (f"GridSample volume {mode}", _grid(mode, "zeros", 0),
     [floats(2, 3, 3, 4, 5), floats(2, 2, 3, 2, 3)], (13, 19))
    for mode in ("nearest", "linear")
]  # fmt: skip


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize("case", CASES, ids=[c[0] for c in CASES])
def test_old_opsets_compute_the_same(case: Case, dynamic: bool) -> None:
    """Below and above the opset that has the operator, with known and with named sizes."""
    name, function, inputs, opsets = case
    if dynamic and name in NOT_DYNAMIC:
        with pytest.raises(UnsupportedError):
            run(function, *inputs, opset=opsets[0], dynamic=True)
        return
    expected = run(function, *inputs, opset=NEWEST)
    for opset in opsets:
        found = run(function, *inputs, opset=opset, dynamic=dynamic, known=KNOWN_DIMS.get(name, ()))
        for a, b in zip(found, expected, strict=True):
            assert a.dtype == b.dtype
            assert a.shape == b.shape
            np.testing.assert_allclose(
                a.astype("f8"), b.astype("f8"), rtol=1e-4, atol=1e-5, err_msg=f"opset {opset}"
            )


# Sizes that must be known there.
NOT_DYNAMIC = {
    "Col2Im",
    "Col2Im pads",
    "MaxPool ceil",
    "AveragePool ceil",
}
# (input, dim) whose size must be known: the length of index tuples, real or complex.
KNOWN_DIMS = {
    "GatherND": {(1, 1)},
    "GatherND batch": {(1, 2)},
    "DFT": {(0, 2)},
    "DFT complex": {(0, 2)},
    "DFT inverse": {(0, 3)},
    "STFT": {(0, 2), (1, 0)},
    "ScatterND none": {(1, 1)},
    # Of these the number of channels is not known, that is all.
    "AveragePool 1-D": {(0, 2)},
    "AveragePool 2-D": {(0, 2), (0, 3)},
    **{f"ScatterND {r}": {(1, 1)} for r in ("add", "mul", "max", "min", "half")},
}


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
def test_small_parts(dynamic: bool) -> None:
    """These are lowered at every opset."""
    tall, wide, row = floats(70, 3, 1), floats(2, 70, 1, 4), floats(9, 1, 5)
    known = {(0, 1), (0, 2), (1, 2), (1, 3)}
    (outer,) = run(lambda g, x, y: g.MatMul(x, y), tall, wide, dynamic=dynamic, known=known)
    np.testing.assert_allclose(outer, tall @ wide, rtol=1e-6)
    column = floats(8, 9, 5, 1)
    known = {(0, 1), (0, 2), (1, 2), (1, 3)}
    (dots,) = run(lambda g, x, y: g.MatMul(x, y), row, column, dynamic=dynamic, known=known)
    np.testing.assert_allclose(dots, row @ column, rtol=1e-5, atol=1e-6)
    many = floats(80, 2, 3, 1, 1)
    for axes in ((2,), (-3, 1), (0, 2)):
        for keep in (False, True):
            known = {(0, 2), (0, 3), (0, 4)}
            for op, reference in (("ReduceSum", np.sum), ("ReduceMean", np.mean)):
                (found,) = run(
                    lambda g, x, op=op, axes=axes, keep=keep: g.op(
                        op, x, axes=list(axes), keepdims=keep
                    ),
                    many,
                    dynamic=dynamic,
                    known=known,
                )
                expected = reference(many, axis=axes, keepdims=keep)
                np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
                assert found.shape == expected.shape


def test_every_lowering_has_a_case() -> None:
    """A lowering that nothing compares is not trusted; `test_sequences` has those of sequences.

    Those of doubles are compared with PyTorch (tests/symbolics/elementwise/test_doubles.py).
    """
    tested = {name.split()[0] for name, *_ in CASES}
    tested |= {op for op, _, _ in _ROWS if hasattr(doubles, op.lower())}
    tested |= {"LeakyRelu"}
    missing = {op for op, _, _ in _ROWS} - tested
    missing = {op for op in missing if "Sequence" not in op}
    assert missing - NOT_DETERMINISTIC <= {"CastLike", "ArgMin"}


@pytest.mark.parametrize("opset", [9, 11, 12, 20])
def test_dropout(opset: int) -> None:
    """Kept elements are scaled, the others zero; without training nothing happens."""
    x = np.ones(400, "f4")
    training, mask = run(lambda g, a: g.Dropout(a, 0.25, np.array(True), outputs=2), x, opset=opset)
    np.testing.assert_allclose(training, np.where(mask, 1 / 0.75, 0), rtol=1e-6)
    assert 0.6 < mask.mean() < 0.9
    still, mask = run(lambda g, a: g.Dropout(a, 0.25, np.array(False), outputs=2), x, opset=opset)
    np.testing.assert_array_equal(still, x)
    assert mask.all()
    assert not run(lambda g, a: g.Dropout(a, 1.0, np.array(True)), x, opset=opset)[0].any()
    inner = run(lambda g, a: g.Mul(g.Dropout(g.Mul(a, 2), 0.5, np.array(True)), 3), x, opset=opset)
    assert set(inner[0]) == {0, 12}


def test_the_lowering_for_the_oldest_opset_wins() -> None:
    """One that applies below 11 is preferred to one that applies below 18."""
    assert find_lowering("Gelu", 19) is not None
    assert find_lowering("Gelu", 20) is not find_lowering("Gelu", 19)
    assert find_lowering("NonZero", ALWAYS - 1) is not None


def test_an_operator_without_a_lowering_names_the_opset_that_has_it() -> None:
    g = Builder(9)
    with pytest.raises(UnsupportedError, match="opset 9 has no Unique; opset 11 has it"):
        g.Unique(g.constant([1, 2]))


@pytest.mark.parametrize("opset", [9, 10, 11])
def test_axes_that_count_from_the_end(opset: int) -> None:
    """Operators know them from opset 11 on; before, they are counted from the front."""

    def build(g: Builder, x: Any) -> tuple[Any, ...]:
        return (
            g.ReduceSum(x, axes=[-1], keepdims=0),
            g.Unsqueeze(x, [-1]),
            g.Squeeze(g.Unsqueeze(x, [-2]), [-2]),
            g.Concat(x, x, axis=-1),
            g.ArgMax(x, axis=-2),
            g.Softmax(x, axis=-1),
        )

    x = floats(2, 3, 4)
    g = Builder(opset)
    build(g, graph_input(g, "x", x, dynamic=True))
    for node in g.scope.nodes:
        for attribute in node.attributes.values():
            if attribute.name in ("axis", "axes") and opset < 11:
                assert np.min(attribute.value) >= 0
    for found, expected in zip(run(build, x, opset=opset), run(build, x, opset=20), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)

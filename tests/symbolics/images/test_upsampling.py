"""Interpolation agrees with PyTorch: every kind, by size and by scale factor."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from tests.symbolics.harness import check, refuses

torch.manual_seed(0)
ROW, IMAGE, VOLUME = torch.randn(1, 2, 41), torch.randn(2, 3, 7, 5), torch.randn(1, 2, 3, 4, 5)
TARGETS: dict[int, list[dict[str, Any]]] = {
    1: [{"size": s} for s in (41, 82, 1681, 7, 123, 60)]
    + [{"scale_factor": s} for s in (41.0, 2.0, 1.3, 0.5, 0.7)],
    2: [{"size": s} for s in ((14, 10), (21, 15), (1, 1), (5, 9), (7, 5))]
    + [{"scale_factor": s} for s in ((2.0, 2.0), (1.3, 0.6), (0.5, 2.5))],
    3: [{"size": (6, 4, 4)}, {"size": (1, 1, 2)}, {"scale_factor": (2.0, 2.0, 1.5)}],
}
KINDS = [
    ("nearest", {}, ROW),
    ("nearest", {}, IMAGE),
    ("nearest", {}, VOLUME),
    ("nearest-exact", {}, ROW),
    ("nearest-exact", {}, IMAGE),
    *(
        (mode, {"align_corners": align}, x)
        for align in (False, True)
        for mode, x in [("linear", ROW), ("bilinear", IMAGE), ("trilinear", VOLUME)]
    ),
    ("bicubic", {"align_corners": False}, IMAGE),
    ("bicubic", {"align_corners": True}, IMAGE),
]


@pytest.mark.parametrize(("mode", "settings", "x"), KINDS)
def test_agrees_with_pytorch(mode: str, settings: dict[str, Any], x: torch.Tensor) -> None:
    """Known sizes, sizes of run time, and double."""
    for target in TARGETS[x.dim() - 2]:

        def resized(x: torch.Tensor, target: dict[str, Any] = target) -> torch.Tensor:
            return F.interpolate(x, mode=mode, **target, **settings)

        check(resized, x, opsets=(11, 20))
        check(resized, x, opsets=(20,), dynamic=True)
        check(resized, x.double(), opsets=(20,), rtol=1e-9)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("align", [False, True])
def test_antialiased(mode: str, align: bool) -> None:
    """The filter is as wide as the output is coarser."""
    if mode == "lanczos" and align:
        return  # PyTorch refuses it.
    x = torch.randn(2, 3, 17, 15)
    for target in (
        {"size": (14, 10)},
        {"size": (5, 6)},
        {"size": (30, 20)},
        {"scale_factor": (0.3, 0.6)},
    ):

        def resized(x: torch.Tensor, target: dict[str, Any] = target) -> torch.Tensor:
            return F.interpolate(x, mode=mode, align_corners=align, antialias=True, **target)

        check(resized, x, opsets=(13, 20))
        check(resized, x.double(), opsets=(20,))
    if not align and mode != "lanczos":
        half = {"mode": mode, "antialias": True, "scale_factor": 0.5}
        check(lambda x: F.interpolate(x, **half), x, opsets=(20,), dynamic=True)


@pytest.mark.parametrize("factor", [2.0, 0.5, 1.3])
def test_other_sizes(factor: float) -> None:
    """One model for images of every size."""
    calls = [(torch.randn(1, 3, n, n + 4),) for n in (3, 10, 23)]
    for mode in ("nearest", "bilinear"):
        check(
            lambda x, m=mode: F.interpolate(x, scale_factor=factor, mode=m),
            IMAGE,
            mode="trace",
            opsets=(20,),
            dynamic=True,
            calls=calls,
        )


def scaled(x: torch.Tensor, factor: float, mode: str) -> torch.Tensor:
    return F.interpolate(x, scale_factor=factor, mode=mode)


@pytest.mark.parametrize(
    ("mode", "x"),
    [("nearest", ROW), ("nearest", IMAGE), ("nearest", VOLUME), ("bilinear", IMAGE)],
)
def test_factor_of_run_time(mode: str, x: torch.Tensor) -> None:
    """The factor is an input of the model; above 1 it may still add nothing to a small size."""
    bound = torch.jit.script(scaled)
    calls = [(x[..., :3, :3], f, mode) for f in (0.5, 1.0, 1.2, 2.3)]
    check(bound, x, 1.5, mode, mode="script", opsets=(20,), dynamic=True, calls=calls)


def recomputed(x: torch.Tensor, factor: float, again: bool) -> torch.Tensor:
    return F.interpolate(x, scale_factor=factor, mode="bilinear", recompute_scale_factor=again)


def test_whether_the_factor_is_computed_again_is_of_run_time() -> None:
    """Then one of the size and the factor is None; that both are is no way the program can go."""
    bound = torch.jit.script(recomputed)
    calls = [(IMAGE, f, again) for f in (1.3, 0.7) for again in (True, False)]
    check(bound, IMAGE, 1.5, True, mode="script", opsets=(20,), dynamic=True, calls=calls)


@pytest.mark.parametrize("x", [ROW, IMAGE, VOLUME])
def test_nearest_to_twice_the_size_by_another_factor(x: torch.Tensor) -> None:
    """Images have a kernel of their own: what comes out twice as large is doubled."""
    small = x[..., :3]
    calls = [(x[..., :n],) for n in (1, 2, 4)]
    check(lambda x: F.interpolate(x, scale_factor=2.3), small, opsets=(20,))
    check(lambda x: F.interpolate(x, scale_factor=2.3), x, opsets=(20,), dynamic=True, calls=calls)


def smoothed(x: torch.Tensor, height: int, mode: str, align: bool) -> torch.Tensor:
    return F.interpolate(x, size=[height, 4], mode=mode, align_corners=align, antialias=True)


def shrunk(x: torch.Tensor, factor: float, mode: str, align: bool) -> torch.Tensor:
    return F.interpolate(x, scale_factor=factor, mode=mode, align_corners=align, antialias=True)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("align", [False, True])
def test_antialiased_sizes_of_run_time(mode: str, align: bool) -> None:
    """How many elements lie under the filter is computed as well."""
    bound = {"mode": "script", "opsets": (20,), "dynamic": True}
    x = torch.randn(2, 1, 9, 11)
    sizes = [(x, n, mode, align) for n in (1, 2, 9, 20)]
    check(torch.jit.script(smoothed), IMAGE, 3, mode, align, calls=sizes, **bound)
    factors = [(x, f, mode, align) for f in (0.3, 1.0, 2.3)]
    check(torch.jit.script(shrunk), IMAGE, 0.7, mode, align, calls=factors, **bound)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_antialiased_to_the_same_size(mode: str) -> None:
    """A factor that adds nothing to a small size leaves it alone."""
    small, kept = torch.randn(1, 2, 4, 4), {"mode": mode, "antialias": True, "scale_factor": 1.2}
    check(lambda x: F.interpolate(x, **kept), small, opsets=(20,))
    calls = [(torch.randn(1, 2, h, w),) for h, w in ((4, 9), (9, 4))]
    check(lambda x: F.interpolate(x, **kept), small, opsets=(20,), dynamic=True, calls=calls)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16])
def test_nearest_of_other_dtypes(dtype: torch.dtype) -> None:
    """Elements are only moved."""
    x = (IMAGE * 9).abs().to(dtype)
    check(lambda x: F.interpolate(x, scale_factor=2), x)


def test_fixed_point_is_refused() -> None:
    """PyTorch's numbers for uint8 are not those of any formula in floats."""
    x = (IMAGE * 9).abs().to(torch.uint8)
    refuses(lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), x, match="fixed point")


@pytest.mark.parametrize("kwargs", [{"scale_factor": 2.0}, {"size": [7, 9], "mode": "bilinear"}])
def test_between_transposes(kwargs: dict[str, Any]) -> None:
    """Channels last: onnxruntime's optimizer moves the Transpose through Resize."""

    def channels_last(x: torch.Tensor) -> torch.Tensor:
        return F.interpolate(x.permute(0, 3, 1, 2), **kwargs).permute(0, 2, 3, 1)

    x = torch.randn(2, 4, 5, 3)
    check(channels_last, x)
    check(channels_last, x, dynamic=True)

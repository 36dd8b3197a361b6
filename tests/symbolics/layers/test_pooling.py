"""Pooling agrees with PyTorch, at every last window that `ceil_mode` makes or drops."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F

from tests.symbolics.harness import check, refuses

torch.manual_seed(0)
SIZES = (7, 8, 9, 11)
WINDOWS = [
    (kernel, stride, padding, dilation)
    for kernel, stride, padding, dilation in itertools.product((2, 3), (1, 2, 3, 5), (0, 1), (1, 2))
    if padding <= kernel // 2
]


@pytest.mark.parametrize(("kernel", "stride", "padding", "dilation"), WINDOWS)
def test_max_pool_rounding_up(kernel: int, stride: int, padding: int, dilation: int) -> None:
    """One model of dynamic sizes gives PyTorch's windows, and their positions, at every size."""
    images = [torch.randn(2, 3, n, n + 1) for n in SIZES]

    def pool(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return F.max_pool2d(x, kernel, stride, padding, dilation, True, return_indices=True)

    check(pool, images[0], opsets=(20,), dynamic=True, calls=[(x,) for x in images[1:]])
    check(pool, images[1], opsets=(13,))


@pytest.mark.parametrize("include_pad", [True, False])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [w[:3] for w in WINDOWS if w[3] == 1 and w[1] > 1]
)
def test_avg_pool_rounding_up(kernel: int, stride: int, padding: int, include_pad: bool) -> None:
    """The divisor counts what a window covers of the padded input, not what overhangs."""
    images = [torch.randn(2, 3, n, n + 1) for n in SIZES]

    def pool(x: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(x, kernel, stride, padding, True, include_pad)

    check(pool, images[0], opsets=(20,), dynamic=True, calls=[(x,) for x in images[1:]])
    check(pool, images[1], opsets=(13,))


X1, X3 = torch.randn(2, 3, 9), torch.randn(1, 2, 6, 7, 8)
LONGS = torch.randint(-50, 50, (2, 3, 7, 8))
CASES = {
    "max 1d": (F.max_pool1d, X1, 3),
    "max 1d indices": (lambda x: F.max_pool1d(x, 3, 2, 1, return_indices=True), X1),
    "max 1d, no batch": (F.max_pool1d, X1[0], 3, 2),
    "max 3d": (lambda x: F.max_pool3d(x, (2, 3, 2), 2, 1, return_indices=True), X3),
    "max int64": (
        lambda x: F.max_pool2d(x, 3, 2, 1, 1, True, return_indices=True),
        LONGS * 2**55,
    ),
    "max int32": (lambda x: F.max_pool2d(x, 2), LONGS.int()),
    "max of nothing but padding's equals": (
        lambda x: F.max_pool2d(x, 3, 2, 1, return_indices=True),
        torch.zeros(1, 1, 5, 5, dtype=torch.uint8),
    ),
    "max dilated ints": (
        lambda x: F.max_pool2d(x, 3, 2, 1, 2, return_indices=True),
        LONGS - 100,
    ),
    "max float64": (lambda x: F.max_pool2d(x, 2), LONGS.double()),
    "max float16": (lambda x: F.max_pool2d(x, 2), LONGS.half()),
    "avg 1d": (F.avg_pool1d, X1, 3, 2, 1),
    "avg 1d, no batch": (F.avg_pool1d, X1[0], 3, 2, 1, True, False),
    "avg 3d": (F.avg_pool3d, X3, 3, 2, 1, True),
    "avg divisor": (F.avg_pool2d, X3[0], 3, 2, 1, True, True, 5),
    "avg int64": (F.avg_pool2d, LONGS, 3, 2, 1, True, False),
    "avg int64 divisor": (F.avg_pool2d, LONGS, 3, 2, 1, False, True, 4),
    "avg float64": (F.avg_pool2d, LONGS.double(), 3, 2, 1),
    "lp": (lambda x: F.lp_pool2d(x, 2, 3, 2), X3[0].abs()),
}


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_pytorch(name: str) -> None:
    """Other ranks and dtypes."""
    function, *arguments = CASES[name]
    check(function, *arguments)
    check(function, *arguments, opsets=(20,), dynamic=True)


def test_a_divisor_of_zero_is_refused() -> None:
    """As in PyTorch, which says so when it runs."""
    scripted = torch.jit.script(_by_zero)
    refuses(scripted, X3[0], match="divisor_override=0", mode="script")


def _by_zero(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.avg_pool2d(x, [2, 2], divisor_override=0)


def test_windows_as_large_as_the_input() -> None:
    """Where its size is that of run time, too, one window is a reduction."""

    def of_all(x: torch.Tensor) -> list[torch.Tensor]:
        size = x.size()[2:]
        values, positions = F.max_pool2d(x, size, return_indices=True)
        return [F.avg_pool2d(x, size), F.max_pool2d(x, size), values, positions]

    def of_rows(x: torch.Tensor) -> list[torch.Tensor]:
        size = (x.size(2), 2)
        return [
            F.avg_pool2d(x, size, divisor_override=3),
            F.avg_pool2d(x, size, stride=(1, 1), padding=(0, 1), ceil_mode=True),
            F.max_pool2d(x, size, stride=(x.size(2), 1)),
            F.avg_pool2d(x, x.size()[2:], divisor_override=3),
        ]

    def of_text(x: torch.Tensor) -> list[torch.Tensor]:
        return [F.max_pool1d(x, x.size(2)).squeeze(2), F.avg_pool1d(x, x.size(-1))]

    x, y = torch.randn(2, 3, 6, 5), torch.randn(1, 3, 4, 9)
    check(of_all, x, mode="script", dynamic=True, calls=[(y,)])
    check(of_rows, x, mode="script", dynamic=True, calls=[(y,)])
    check(of_all, x, dynamic=True, calls=[(y,)])
    check(of_text, x[0], mode="script", dynamic=True, calls=[(y[0, :, :2],)])


@pytest.mark.parametrize("pool", ["max_pool2d", "avg_pool2d"])
def test_windows_whose_size_the_run_gives(pool: str) -> None:
    """As in a spatial pyramid, whose windows are a part of the image."""
    options = ", return_indices=True" if pool == "max_pool2d" else ""
    calls = [
        f"{pool}(x, (x.size(2) // 2, x.size(3) // 3){options})",
        f"{pool}(x, [a, b], [b, a]{options})",
        f"{pool}(x, [a, a], [1, b], [a // 2, 0], ceil_mode=False{options})",
        f"{pool}(x, x.size(3), b{options})",
    ]
    for call in calls:
        body = f"torch.nn.functional.{call}"
        source = f"def f(x: Tensor, a: int, b: int):\n    return {body}\n"
        function = torch.jit.CompilationUnit(source).f
        x, y = torch.randn(2, 3, 6, 6), torch.randn(1, 3, 9, 7)
        check(function, x, 2, 1, mode="script", opsets=(13, 20), dynamic=True, calls=[(y, 3, 2)])


@pytest.mark.parametrize("pool", ["max_pool1d", "avg_pool1d"])
def test_windows_of_run_time_and_rounding_up(pool: str) -> None:
    """The last window is there or not by numbers that the run gives, all of them or one."""
    lines = [torch.randn(2, 3, n) for n in (3, 6, 7, 8, 9)]
    numbers = [(3, 2, 1), (3, 3, 0), (4, 5, 1), (3, 7, 1), (3, 1, 0)]
    first, *others = [(x, *rest) for x, rest in zip(lines, numbers, strict=True)]
    for window in ("k, s, p", "3, s, 0", "k, 2, 0", "3, 2, p"):
        result = f"torch.{pool}(x, {window}, ceil_mode=True) + 0 * (k + s + p)"
        source = f"def f(x: Tensor, k: int, s: int, p: int):\n    return {result}\n"
        function = torch.jit.CompilationUnit(source).f
        check(function, *first, mode="script", opsets=(13, 20), dynamic=True, calls=others)
        check(function, *first, mode="script", opsets=(20,), calls=[(lines[0], 3, 4, 1)])


def test_strides_beyond_the_input_and_rounding_up() -> None:
    """A stride that skips all of the input several times takes one window away, not several."""

    def pools(x: torch.Tensor) -> list[torch.Tensor]:
        return [pool(x, 1, 4, ceil_mode=True) for pool in (F.max_pool1d, F.avg_pool1d)]

    x, y = torch.randn(2, 3, 5), torch.randn(2, 3, 2)
    check(pools, x, opsets=(20,), dynamic=True, calls=[(y,), (y[..., :1],)])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.uint8])
def test_windows_of_padding_alone(dtype: torch.dtype) -> None:
    """Dilation leads past a small input, from padding to padding: the lowest number, somewhere."""

    def pool(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return F.max_pool2d(x, 2, 1, 1, (3, 5), return_indices=True)

    sizes = [(4, 12), (2, 12), (2, 6), (2, 4), (4, 4)]
    images = [(torch.randn(2, 3, *size) * 40).abs().to(dtype) for size in sizes]
    check(pool, images[0], opsets=(13, 20), dynamic=True, calls=[(x,) for x in images[1:]])
    for image in images:
        check(pool, image, opsets=(20,))


def test_half_averages_are_rounded_once() -> None:
    """PyTorch sums half precision up in float32."""
    x = torch.randn(2, 3, 7, 9)

    def pools(x: torch.Tensor) -> list[torch.Tensor]:
        x = x.bfloat16()
        results = [
            F.avg_pool2d(x, 4, padding=1, ceil_mode=True),
            F.avg_pool2d(x, 3, padding=1, divisor_override=7),
            F.adaptive_avg_pool2d(x, (4, 2)),
        ]
        return [r.float() for r in results]

    check(pools, x, opsets=(13, 20), rtol=0, atol=0)


def test_windows_that_pytorch_refuses() -> None:
    """Numbers that no window has are errors of the program: a branch with them is never taken."""
    for arguments in ("0", "2, 0", "2, 1, 2", "2, 1, -1", "2, 1, 0, 0", "9"):
        source = f"""
def f(x: Tensor):
    if x.sum() > 1e9:
        return torch.max_pool1d(x, {arguments})
    return x
"""
        check(torch.jit.CompilationUnit(source).f, X1[..., :5], mode="script", opsets=(20,))

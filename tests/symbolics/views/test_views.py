"""Parts of a tensor: select, slice, narrow, diagonal, windows, strides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.symbolics.harness import captured, check, compare, export, loaded, refuses, run

X = torch.arange(24.0).reshape(2, 3, 4)
MOST = (1 << 63) - 1

bounds = st.one_of(st.none(), st.integers(-7, 7), st.just(MOST), st.just(-MOST))


@settings(max_examples=60, deadline=None)
@given(bounds, bounds, st.integers(1, 4), st.integers(0, 5), st.booleans())
def test_slice(start: int | None, end: int | None, step: int, size: int, dynamic: bool) -> None:
    """Python's rules: bounds that are negative, out of range, falling or open."""
    x = torch.arange(float(2 * size)).reshape(2, size)
    calls = [(torch.rand(3, 6),)] if dynamic else []
    check(lambda x: x[:, start:end:step] * 1, x, opsets=(20,), dynamic=dynamic, calls=calls)


def slices(x: Tensor, a: int, b: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return x[:, a:b], x[a:], x[..., :b], x[:, :, a:b:2]


def narrowed(x: Tensor, a: int, n: int) -> Tensor:
    return x.narrow(1, a, n)


def picked(x: Tensor, i: int) -> tuple[Tensor, Tensor]:
    return x[i], x[:, i]


@pytest.mark.parametrize("dynamic", [False, True])
def test_bounds_of_run_time(dynamic: bool) -> None:
    """Indices and bounds that are inputs of the model, of either sign."""
    ends = [(X, -1, 5), (X, -2, -1), (X, 3, 1), (X, -10, 10), (X, 1, 1)]
    check(slices, X, 0, 2, mode="script", dynamic=dynamic, calls=ends)
    starts = [(X, -2, 2), (X, 1, 0), (X, -3, 3), (X, -2, 1)]
    check(narrowed, X, 0, 2, mode="script", dynamic=dynamic, calls=starts)
    check(picked, X, 0, mode="script", dynamic=dynamic, calls=[(X, -1), (X, -2), (X, 1)])


def mirrored(x: Tensor) -> Tensor:
    out = torch.zeros_like(x[0])
    for i in range(x.size(0)):
        out = out * 2 + x[i] * x[-i - 1]
    return out


def test_index_of_a_loop() -> None:
    calls = [(torch.rand(5, 2),), (torch.rand(1, 2),)]
    check(mirrored, torch.rand(3, 2), mode="script", dynamic=True, calls=calls)


PARTS: list[Callable[[Tensor], Any]] = [
    lambda x: (x[0], x[-1], x[:, 1], x[..., -2]),
    lambda x: x.select(-1, -1),
    lambda x: x[:, None, ..., 1:],
    lambda x: (x.diagonal(), x.diagonal(1, 1, 2), x.diagonal(-1, -1, 0)),
    lambda x: (x.diagonal(9, 0, 2), x.diagonal(-9, 0, 2)),
    lambda x: torch.linalg.diagonal(x, offset=1),
    lambda x: (x.unfold(2, 2, 1), x.unfold(1, 2, 2), x.unfold(0, 1, 3)),
    lambda x: x.as_strided((2, 2), (3, 1), 1) * 1,
    lambda x: torch.slice_copy(x, 1, 1),
]


@pytest.mark.parametrize("function", PARTS)
def test_parts(function: Callable[[Tensor], Any]) -> None:
    check(function, X)
    check(function, X, opsets=(9, 20), dynamic=True, calls=[(torch.rand(4, 5, 6),)])


def test_narrow_by_a_tensor() -> None:
    start = torch.tensor(1)
    check(lambda x, s: torch.narrow(x, 1, s, 2), X, start, calls=[(X, torch.tensor(0))])


def test_windows_of_a_scalar() -> None:
    check(lambda x: x.unfold(0, 1, 1), torch.tensor(2.0))


def test_an_index_out_of_range() -> None:
    def third(x: Tensor) -> Tensor:
        return x[3]

    refuses(third, torch.rand(2), mode="script", match="index 3 is out of range")


def narrowed_copy(x: Tensor, a: int, n: int) -> Tensor:
    x = x.clone()
    x.narrow(1, a, n).fill_(5.0)
    return x


@pytest.mark.parametrize("program", [narrowed, narrowed_copy])
@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("opset", [9, 20])
def test_narrow_out_of_range_fails(
    program: Callable[..., Any], dynamic: bool, opset: int, tmp_path: Path
) -> None:
    """The run fails, as the program does, where a slice would be cut off."""
    inputs = (X, 1, 2)
    export(captured(program, inputs, "script"), inputs, tmp_path / "m.onnx", opset, dynamic)
    session = loaded(tmp_path / "m.onnx")
    for start in range(-5, 6):
        for length in range(-2, 6):
            call = [X, start, length]
            try:
                expected = [program(X, start, length)]
            except (IndexError, RuntimeError):
                with pytest.raises(Exception, match="ONNXRuntimeError"):
                    run(session, call)
            else:
                compare(expected, run(session, call), str(call), values=True, rtol=0, atol=0)

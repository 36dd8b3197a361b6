"""Window functions."""

from __future__ import annotations

import pytest
import torch

from tests.symbolics.harness import check, refuses

NAMES = ["hann_window", "hamming_window", "blackman_window", "bartlett_window", "kaiser_window"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("length", [0, 1, 2, 7, 16])
def test_windows(name: str, length: int) -> None:
    window = getattr(torch, name)
    check(
        lambda x: (window(length), window(length, periodic=False), x), torch.ones(1), opsets=(20,)
    )
    check(lambda x: (window(length, dtype=torch.float64), x), torch.ones(1), opsets=(20,))


def test_parameters() -> None:
    check(
        lambda x: (torch.hamming_window(6, True, 0.6), torch.hamming_window(6, True, 0.6, 0.3), x),
        torch.ones(1),
    )
    check(lambda x: (torch.kaiser_window(6, True, 5.0), x), torch.ones(1))


@pytest.mark.parametrize("name", NAMES[:-1])
def test_lengths_of_run_time(name: str) -> None:
    source = f"""
def f(x: Tensor):
    n = x.size(0)
    return torch.{name}(n), torch.{name}(n, periodic=False, dtype=torch.float64)
"""
    function = torch.jit.CompilationUnit(source).f
    calls = [(torch.ones(n),) for n in (0, 1, 2, 8)]
    check(function, torch.ones(5), mode="script", opsets=(13, 20), dynamic=True, calls=calls)


def test_kaiser_windows_need_a_length() -> None:
    source = "def f(x: Tensor):\n    return torch.kaiser_window(x.size(0))\n"
    function = torch.jit.CompilationUnit(source).f
    refuses(function, torch.ones(5), match="Kaiser window", mode="script", dynamic=True)

"""`with`: the program's own context managers, and PyTorch's."""

from typing import Any

import torch
from torch import Tensor

from tests.conversion.harness import check, refuses

X = torch.tensor([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])


@torch.jit.script
class Scope:
    def __init__(self, k: float) -> None:
        self.k = k
        self.depth = 0

    def __enter__(self) -> float:
        self.depth += 1
        return self.k

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        self.depth -= 1
        self.k = self.k * 10.0


def test_the_programs_own() -> None:
    def program(x: Tensor, k: float, n: int) -> tuple[Tensor, float, int]:
        outer, inner = Scope(k), Scope(k + 1.0)
        with outer as a, inner as b:
            x = x * a + b + outer.depth
            if n > 1:
                with outer:
                    x = x * outer.depth
        return x, outer.k, outer.depth

    check(program, (X, 2.0, 1), (X, 0.5, 2))


def test_pytorchs() -> None:
    """They do nothing at inference."""

    def program(x: Tensor) -> Tensor:
        with torch.no_grad():
            y = x * 2
        with torch.autograd.profiler.record_function("part"):
            y = y + 1
        with torch.autocast("cpu", enabled=False):
            return y @ y.t()

    check(program, (X,))


def test_profiling_in_a_trace() -> None:
    """A trace holds what `record_function` calls instead of the `with`."""

    def program(x: Tensor) -> Tensor:
        with torch.profiler.record_function("part"):
            return x * 2

    traced = torch.jit.trace(program, X)
    assert "_record_function_enter" in str(traced.inlined_graph)
    check(traced, (X,))


def test_autocast() -> None:
    def program(x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return x @ x.t()

    refuses(program, X, match="autocast on the CPU.*enabled=False")

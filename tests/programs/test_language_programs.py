"""What TorchScript the language has beside tensors: enums, interfaces, futures, isinstance.

TorchScript reads the annotations of these modules, so they are not postponed.
"""

# ruff: noqa: SIM108, B009  programs as people write them

import enum
import warnings
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.programs.harness import check_program

X = ((torch.tensor([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]]),), (torch.ones(1, 3),))
AXES = [{0: "batch"}]
KNOWN = {"If", "Loop", "Shape"}


class Mode(enum.Enum):
    """How a pool pools."""

    MEAN = "mean"
    MAX = "max"


class Pool(nn.Module):
    """An enum as attribute and as constant, a Final."""

    mode: Mode
    dim: Final[int]

    def __init__(self, mode: Mode):
        super().__init__()
        self.mode = mode
        self.dim = -1

    def forward(self, x: Tensor) -> Tensor:
        if self.mode == Mode.MEAN:
            return x.mean(self.dim)
        if self.mode == Mode.MAX:
            return x.amax(self.dim)
        raise ValueError("unknown mode " + self.mode.value)


def test_enum() -> None:
    for mode in Mode:
        check_program(Pool(mode), *X, axes=AXES, unwanted=KNOWN)


def branch(x: Tensor, times: float) -> Tensor:
    return torch.sin(x) * times


def forked(x: Tensor) -> tuple[Tensor, Tensor]:
    futures: list[torch.jit.Future[Tensor]] = []
    for i in range(3):
        futures.append(torch.jit.fork(branch, x, float(i)))
    other = torch.cos(x)
    results = [torch.jit.wait(future) for future in futures]
    return torch.stack(results).sum(0), other


def test_fork_and_wait() -> None:
    check_program(forked, *X, axes=AXES, modes=["scripted"], unwanted=KNOWN)


class Guarded(nn.Module):
    """Asserts, warnings, no_grad, and what differs in scripting."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    @torch.jit.unused
    def eager_only(self, x: Tensor) -> Tensor:
        return x.tolist()

    @torch.jit.ignore
    def log(self, x: Tensor) -> None:
        pass

    def forward(self, x: Tensor) -> Tensor:
        assert x.dim() == 2, f"expected 2 dims, got {x.dim()}"
        assert x.size(1) == 3
        if not torch.jit.is_scripting() and x.numel() > 10**9:
            return self.eager_only(x)
        if x.size(0) > 1000:
            warnings.warn("a large batch")  # noqa: B028  TorchScript takes it, but few write it
        with torch.no_grad():
            scale = x.abs().amax()
        if torch.is_grad_enabled():
            y = self.linear(x)
        else:
            y = F.linear(x, self.linear.weight, self.linear.bias)
        torch._assert(x.size(0) > 0, "empty")
        return y / scale


def test_asserts_and_switches() -> None:
    check_program(Guarded(), *X, axes=AXES, modes=["scripted"], unwanted={"If", "Loop"})


def refined(x: Tensor | list[Tensor], scale: float | None) -> Tensor:
    if torch.jit.isinstance(x, list[Tensor]):
        y = torch.stack(x).sum(0)
    else:
        assert isinstance(x, Tensor)
        y = x
    if scale is None:
        scale = 2.0
    return y * scale


def test_union() -> None:
    check_program(refined, (X[0][0], None), axes=AXES, modes=["scripted"], unwanted=KNOWN)
    both = [X[0][0], X[0][0] + 1]
    check_program(refined, (both, 0.5), axes=AXES * 2, modes=["scripted"], unwanted=KNOWN)


def any_kinds(value: Any, x: Tensor) -> Tensor:
    if torch.jit.isinstance(value, dict[str, Tensor]):
        for key, item in value.items():
            if key.startswith("add"):
                x = x + item
            elif key in ["mul", "scale"]:
                x = x * item
    return x


class AnyUser(nn.Module):
    """Calls a function that takes anything."""

    def forward(self, x: Tensor) -> Tensor:
        settings = {"add_1": x + 1, "mul": x * 0.5, "other": x}
        return any_kinds(settings, x)


def test_any_with_isinstance() -> None:
    check_program(AnyUser(), *X, axes=AXES, modes=["scripted"], unwanted=KNOWN)


@torch.jit.interface
class Block(nn.Module):
    """What each expert looks like from outside."""

    def forward(self, x: Tensor) -> Tensor:
        pass


class Double(nn.Module):
    """One of them."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 2


class Squash(nn.Module):
    """The other one."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x)


class Chosen(nn.Module):
    """Nested ModuleDicts and ModuleLists, an interface picked by key."""

    def __init__(self):
        super().__init__()
        self.groups = nn.ModuleDict(
            {
                "a": nn.ModuleList([nn.Linear(3, 3), nn.Tanh()]),
                "b": nn.ModuleList([Double()]),
            }
        )
        self.experts = nn.ModuleDict({"twice": Double(), "tanh": Squash()})
        for i in range(3):
            setattr(self, f"bias{i}", nn.Parameter(torch.full((3,), float(i))))

    def forward(self, x: Tensor, name: str) -> Tensor:
        for group in self.groups.values():
            for layer in group:
                x = layer(x)
        expert: Block = self.experts[name]
        return expert.forward(x) + self.bias0 + getattr(self, "bias1") + getattr(self, "bias2")


def test_interface_by_name() -> None:
    for name in ("twice", "tanh"):
        calls = [(x, name) for (x,) in X]
        check_program(Chosen(), *calls, axes=AXES, modes=["scripted"], unwanted=KNOWN)


def tuples_through_loops(x: Tensor, steps: int) -> tuple[Tensor, tuple[Tensor, int]]:
    state = (x, (torch.zeros_like(x), 0))
    for i in range(steps):
        a, (b, n) = state
        if bool(a.sum() > b.sum()):
            state = (a - 1, (b + a, n + 1))
        else:
            state = (a + i, (b, n))
    return state


def test_tuples_through_loops() -> None:
    calls = [(x, steps) for (x,) in X for steps in (0, 3, 80)]
    check_program(tuples_through_loops, *calls, axes=AXES, modes=["scripted"])


def routed(x: Tensor) -> tuple[Tensor, dict[str, int]]:
    """A mixture of experts: rows to experts by a mask, counted in a dict."""
    scores = torch.stack([x.sum(1), -x.sum(1), x[:, 0]], 1).softmax(1)
    weight, choice = scores.max(1)
    out = torch.zeros_like(x)
    counts: dict[str, int] = {}
    for i in range(3):
        rows = torch.where(choice == i)[0]
        counts[f"expert{i}"] = rows.numel()
        if rows.numel() > 0:
            out[rows] = x[rows] * (i + 1) * weight[rows].unsqueeze(1)
    return out, counts


def test_mixture_of_experts() -> None:
    calls = [*X, (torch.randn(9, 3),)]
    check_program(routed, *calls, axes=AXES, modes=["scripted"])


def test_flag_picks_an_optional_argument() -> None:
    """An operator called with what only the run knows to be there."""

    def program(x: Tensor, mask: Tensor, masked: bool, causal: bool) -> Tensor:
        given: Tensor | None = None
        if masked:
            given = mask
        y = F.scaled_dot_product_attention(x, x, x, given, is_causal=causal and not masked)
        bias: Tensor | None = None
        if causal:
            bias = x[0]
        return F.linear(y, x, bias) if bias is None else F.linear(y, x) + bias.sum()

    x, mask = torch.randn(3, 3), torch.ones(3, 3, dtype=torch.bool).tril()
    calls = [(x, mask, a, b) for a in (True, False) for b in (True, False)]
    check_program(program, *calls, modes=["scripted"])

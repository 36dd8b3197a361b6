"""Gradients through branches on data, which compute once more what the branches computed."""

import pytest
import torch
from torch import Tensor

from tests.conversion.harness import check, operators, refuses


def found(gradient: Tensor | None) -> Tensor:
    assert gradient is not None
    return gradient


def picked(x: Tensor, w: Tensor):
    """What potentials do with pairs beyond the cutoff: a branch whose sizes only the run gives."""
    x = x.detach().requires_grad_(True)
    near = x.sum(1) > 0
    y = x * w
    if not near.all():
        y = y[near]
    return found(torch.autograd.grad([(y * y).sum()], [x])[0])


def nested(x: Tensor, w: Tensor):
    """Branches in a branch, of a number that was read from a tensor there."""
    x = x.detach().requires_grad_(True)
    if x.sum() > 0:
        z = torch.exp(x * w)
        if w.sum() > 0:
            number = int(w.abs().max())
            z = (z * x[:, :1])[:, : number + 1]
        else:
            z = z + w
    else:
        z = x.sum(0, keepdim=True)
    return found(torch.autograd.grad([(z * z).sum() + (x**3).sum()], [x])[0])


def one_after_another(x: Tensor, w: Tensor):
    """A branch goes on with what another one gave, and both with x."""
    x = x.detach().requires_grad_(True)
    energy = torch.zeros(())
    for i in range(2):
        places = torch.nonzero(x[i] > 0).flatten()
        if places.numel() > 0:
            part = x[i][places]
            if part.numel() > 1:
                energy = energy + (part * part).mean() * w[places].sum()
            else:
                with torch.no_grad():
                    factor = part * 2
                energy = energy + (part * factor).sum()
    return found(torch.autograd.grad([energy + 0 * x.sum()], [x])[0])


def functions(x: Tensor, w: Tensor):
    """Functions of several nodes whose derivative is not that of their formula."""
    x = x.detach().requires_grad_(True)
    if w.sum() > 0:
        y = torch.linalg.norm(x * 0, dim=1).sum() + torch.nn.functional.silu(x).sum()
        z = torch.nn.functional.gelu(x).sum() + torch.lgamma(x.abs() + 1).sum()
    else:
        y = torch.tensor(2.0)
        z = torch.nn.functional.softplus(x).sum()
    return found(torch.autograd.grad([y * z + x.sum()], [x])[0])


def one_each(x: Tensor, w: Tensor):
    """Each path depends on another tensor, or is a tensor itself."""
    x = x.detach().requires_grad_(True)
    w = w.detach().requires_grad_(True)
    y = x if bool(x.sum() > 0) else x.detach()
    z = (y * x).sum() if bool(w.sum() > 0) else (w * w).sum()
    gradients = torch.autograd.grad([z + 0 * x.sum() + 0 * w.sum()], [x, w])
    return found(gradients[0]), found(gradients[1])


def to_the_result(x: Tensor, w: Tensor):
    """The gradient is one to a branch's result, and is taken in a branch."""
    y = (x if bool(x.sum() > 0) else x * w).detach().requires_grad_(True)
    energy = y.exp() if bool(w.sum() > 0) else y**2
    if x.sum() > w.sum():
        return found(torch.autograd.grad([energy.sum()], [y])[0])
    return y


def twice(x: Tensor, w: Tensor):
    """A gradient that went through a branch is differentiated."""
    x = x.detach().requires_grad_(True)
    y = x.sin() * x if bool(x.sum() > 0) else x * x * x
    first = found(torch.autograd.grad([y.sum()], [x], create_graph=True)[0])
    return found(torch.autograd.grad([(first * first).sum()], [x])[0])


def lists(x: Tensor, w: Tensor):
    """What a branch puts into a list."""
    x = x.detach().requires_grad_(True)
    parts = [x.sum(0)]
    if w.sum() > 0:
        parts.append((x * x).sum(0))
    else:
        parts.append(w * x[0])
    return found(torch.autograd.grad([torch.stack(parts).exp().sum()], [x])[0])


X, W = torch.randn(3, 4), torch.randn(4)
CALLS = [(a * X.abs(), b * W.abs()) for a in (1, -1) for b in (1, -1)]
PROGRAMS = [
    picked,
    nested,
    one_after_another,
    functions,
    one_each,
    to_the_result,
    twice,
    lists,
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_gradients_through_branches(program) -> None:
    """On every path, and at other sizes."""
    calls = [(X, W), *CALLS]
    result = check(program, *calls, opset_version=13, rtol=1e-4, atol=1e-5)
    assert "If" in operators(result)
    others = [(torch.randn(5, 6), torch.randn(6)), (torch.ones(2, 0), torch.ones(0))]
    if program is nested:
        others = others[:1]
    check(program, *calls, *others, dynamic=True, rtol=1e-4, atol=1e-5)


def looped(x: Tensor, w: Tensor):
    x = x.detach().requires_grad_(True)
    y = x
    if x.sum() > 0:
        for _ in range(int(w.abs().max())):
            y = y * x
    return found(torch.autograd.grad([y.sum()], [x])[0])


def drawn(x: Tensor, w: Tensor):
    x = x.detach().requires_grad_(True)
    y = x * torch.rand_like(x) if bool(w.sum() > 0) else x
    return found(torch.autograd.grad([y.sum()], [x])[0])


def of_two_ranks(x: Tensor, w: Tensor):
    x = x.detach().requires_grad_(True)
    y = x * 2 if bool(x.sum() > 0) else (x * w).sum(0)
    return found(torch.autograd.grad([y.sum()], [x])[0])


def test_what_can_not_be_computed_again() -> None:
    """A loop in a branch; numbers that were drawn; results of two ranks."""
    refuses(looped, X, W, match="(?s)gradient through ONNX .*Loop")
    refuses(drawn, X, W, match="draws numbers")
    refuses(of_two_ranks, X, W, match="number of dims")

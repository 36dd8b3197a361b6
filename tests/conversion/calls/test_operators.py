"""Results that are an argument itself, a view of it, or a tensor of their own."""

import pytest
import torch

from tests.conversion.harness import check, refuses

X = torch.arange(6.0).reshape(3, 2)

ITSELF = [
    "x.positive()",
    "x.conj()",
    "x.conj_physical()",
    "x.resolve_conj()",
    "x.resolve_neg()",
    "torch.real(x)",
    "x.sum_to_size(x.shape)",
    "torch.atleast_1d(x)",
    "torch.atleast_2d([x])[0]",
    "torch.broadcast_tensors([x, x[0]])[0]",
    "x.type_as(x)",
]
VIEWS = [
    "x.data",
    "x.adjoint()",
    "torch.atleast_3d(x)",
    "torch.atleast_3d([x[0], x])[0]",
    "x[:1].squeeze()",
    "x[:, :1].squeeze([0, 1])",
    "x.movedim([0, 1], [1, 0])",
    "x.reshape_as(x)",
    "torch.meshgrid([x[:, 0], x[:1, 0]], indexing='ij')[0]",
    "torch.meshgrid([x[0], x[:1, 0]], indexing='xy')[0]",
    "torch.meshgrid([x[0, 0]])[0]",
    "torch.broadcast_tensors([x, x[None]])[0]",
]
OWN = ["x.abs()", "x[0, 0].sum_to_size([])", "torch.cat([x])"]
EFFECTS = ["y.add_(1)", "x.add_(1)", "y.unsqueeze_(0)", "x.unsqueeze_(0)", "y.flatten().add_(1)"]


@pytest.mark.parametrize("taken", [*ITSELF, *VIEWS, *OWN])
@pytest.mark.parametrize("effect", EFFECTS)
def test_what_one_of_two_shows_of_the_other(taken: str, effect: str) -> None:
    """Elements that are written, and dims that are changed in place."""
    lines = f"    y = {taken}\n    {effect}\n    return x, y\n"
    check(torch.jit.CompilationUnit(f"def program(x):\n{lines}").program, (X,))


def test_one_vector_has_itself_as_its_product() -> None:
    def program(x):
        y = torch.cartesian_prod(x)
        y.add_(1)
        x.unsqueeze_(0)
        return x, y

    check(program, (X[:, 0],))


def test_einsum_of_one_operand_may_be_a_view() -> None:
    def program(x):
        y = torch.einsum("ij->ji", x)
        y.add_(1)
        return x, y

    refuses(program, X, match="may share memory")

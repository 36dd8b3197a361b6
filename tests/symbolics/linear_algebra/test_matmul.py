"""Products of every rank, `linear`, `einsum`."""

from __future__ import annotations

import pytest
import torch

from tests.symbolics.harness import check, refuses

RANKS = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((4, 2, 3), (3,)), ((3,), (4, 3, 2)),
    ((5, 1, 2, 3), (4, 3, 2)), ((2, 0), (0, 3)), ((2, 2, 0), (2, 0, 3)), ((0, 2), (2, 3)),
]  # fmt: skip
EQUATIONS = [
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("...ij,...jk", (2, 3, 4), (4, 5)),
    ("ii", (3, 3)),
    ("iij->ji", (3, 3, 2)),
    ("i,j", (3,), (4,)),
    ("Ab, bC", (3, 4), (4, 2)),
    ("ij,ij->", (3, 4), (1, 4)),
    ("b...i,b...i->b...", (2, 3, 4), (2, 1, 4)),
    ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
    ("i,ij,jk->k", (3,), (3, 4), (4, 5)),
    ("ij->", (3, 4)),
    ("a...,b...", (2,), (3,)),
]


@pytest.mark.parametrize(("left", "right"), RANKS)
def test_ranks(left, right) -> None:
    x, y = torch.randn(left), torch.randn(right)
    check(torch.matmul, x, y, opsets=(9, 20))
    check(torch.matmul, (x * 5).long(), (y * 5).long(), opsets=(20,))


@pytest.mark.parametrize(("equation", "shapes"), [(e, s) for e, *s in EQUATIONS])
def test_einsum(equation, shapes) -> None:
    tensors = [torch.randn(s) for s in shapes]
    check(lambda *t: torch.einsum(equation, *t), *tensors, opsets=(9, 20))


def test_einsum_of_dynamic_sizes() -> None:
    calls = [(torch.randn(1, 7, 4), torch.randn(1, 2, 4))]
    x, y = torch.randn(2, 3, 4), torch.randn(2, 5, 4)
    check(lambda x, y: torch.einsum("bqd,bkd->bqk", x, y), x, y, dynamic=True, calls=calls)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 5, 3), (0, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear(shape, bias) -> None:
    check(torch.nn.Linear(3, 4, bias=bias), torch.randn(shape), opsets=(9, 20))


@pytest.mark.parametrize("beta", [0, 1, 2])
def test_products_with_a_sum(beta) -> None:
    """beta = 0 drops even NaN."""
    b, x, y = (
        torch.full((4,), float("nan") if beta == 0 else 1.5),
        torch.randn(2, 3),
        torch.randn(3, 4),
    )
    check(lambda b, x, y: torch.addmm(b, x, y, beta=beta, alpha=0.5), b, x, y)
    check(
        lambda b, x, y: torch.addmm(b, x, y, beta=beta), b.nan_to_num().long(), x.long(), y.long()
    )
    batch = torch.randn(2, 2, 3), torch.randn(2, 3, 4)
    check(lambda b, x, y: torch.baddbmm(b, x, y, beta=beta), b, *batch, opsets=(20,))
    check(lambda b, x, y: torch.addbmm(b, x, y, beta=beta), b, *batch, opsets=(20,))


def test_nothing_to_multiply() -> None:
    x, y = torch.randn(2, 0), torch.randn(0, 4)
    check(lambda b, x, y: torch.addmm(b, x, y, beta=3), torch.ones(4), x, y)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((5, 2), (2,)),
        ((2,), (3, 2, 4)),
        ((2,), (2,)),
        ((5, 2), (3, 2, 4)),
        ((3, 5, 2), (2,)),
        ((1, 5, 2), (3, 2, 4)),
        ((3, 5, 2), (1, 2, 4)),
        ((3, 5, 2), (2, 4)),
    ],
)
def test_nothing_to_multiply_at_run_time(left, right) -> None:
    """Zeros, where onnxruntime leaves what memory held or forgets batch dims."""
    shapes = [tuple(0 if size == 2 else size for size in shape) for shape in (left, right)]
    axes = {
        f"x{i}": {d: f"x{i}_{d}" for d in range(len(shape)) if shape[d] != 1}
        for i, shape in enumerate((left, right))
    }
    full, empty = (torch.randn(left), torch.randn(right)), [torch.zeros(shape) for shape in shapes]
    check(torch.matmul, *full, dynamic=axes, calls=[empty, full, empty])


def test_vectors() -> None:
    x, y = torch.randn(3), torch.randn(3)
    check(lambda x, y: (x.dot(y), torch.vdot(x, y), torch.outer(x, y), x.inner(y)), x, y)
    check(
        lambda m, x, y: (m.mv(x), torch.addmv(y, m, x), torch.addr(m, x, y)), torch.ones(3, 3), x, y
    )


def test_inner_with_a_number() -> None:
    for x in (torch.arange(3), torch.arange(3, dtype=torch.int32), torch.tensor([True, False])):
        for other in (torch.tensor(1.5, dtype=torch.float64), torch.tensor(3), torch.tensor(True)):
            check(torch.inner, x, other, opsets=(20,))
            check(torch.inner, other, x, opsets=(20,))


def test_transposed_times_vector() -> None:
    """onnxruntime fuses a Transpose with the product, and gets it wrong where that has a vector."""
    a, v = torch.randn(3, 4), torch.randn(3)
    check(lambda a, v: (torch.mv(a.t(), v), v @ a, torch.relu(a.t()) @ v), a, v)
    batch = torch.randn(2, 3, 3)
    check(lambda a, v: (a.transpose(1, 2) @ v, v @ a.transpose(1, 2)), batch, v)
    check(lambda a, b: torch.mv(torch.stack([a, b]).t(), torch.ones(2)), v, torch.randn(3))


def test_factors_of_integers() -> None:
    """They lose their fraction; `addr` refuses one."""
    s, a = torch.tensor([[10, 20], [30, 41]]), torch.tensor([[1, 2], [3, 4]])
    check(lambda s, a: torch.addmm(s, a, a, beta=2.7, alpha=-1.5), s, a)
    check(lambda s, a: torch.addmv(s[0], a, a[0], alpha=0.6), s, a)
    check(lambda s, a: torch.baddbmm(s[None], a[None], a[None], beta=0.2), s, a)
    check(lambda s, a: torch.addbmm(s, a[None], a[None], beta=1.2, alpha=2.9), s, a)

    def outer(s: torch.Tensor) -> torch.Tensor:
        return torch.addr(s, s[0], s[1], alpha=0.5)

    refuses(outer, s, mode="script", match="addr of integers with a factor that is a float")


def test_general_contractions() -> None:
    x, y = torch.randn(2, 3, 4), torch.randn(4, 3, 5)
    check(lambda x, y: torch.tensordot(x, y, ([2, 1], [0, 1])), x, y)
    # One of two sizes may turn out as 1, for both dims the other way around.
    calls = [
        (torch.randn(2, a, b), torch.randn(c, d, 5)) for a, b, c, d in ((1, 2, 2, 1), (3, 4, 3, 1))
    ]
    two = (torch.randn(2, 3, 4), torch.randn(3, 4, 5))
    check(lambda x, y: torch.tensordot(x, y, 2), *two, opsets=(20,), dynamic=True, calls=calls)
    check(lambda x, y: torch.linalg.vecdot(x, y, dim=0), x, x)
    check(torch.nn.Bilinear(3, 4, 2), torch.randn(2, 5, 3), torch.randn(2, 5, 4), dynamic=True)
    sizes = [(3,), (3, 10), (10, 2), (2, 5)]
    check(lambda *t: torch.linalg.multi_dot(t), *[torch.randn(s) for s in sizes])


def test_bytes() -> None:
    """Products of int8 are summed in int32."""
    x, y = (torch.randint(-128, 128, shape, dtype=torch.int8) for shape in ((20, 32), (32, 8)))
    check(torch._int_mm, x, y)

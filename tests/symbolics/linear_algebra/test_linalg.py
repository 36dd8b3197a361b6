"""Systems, factors, spectra: each held against LAPACK's results through PyTorch."""

from __future__ import annotations

import pytest
import torch

from tests.symbolics.harness import check, refuses

SIZES = [(1, 1), (3, 3), (2, 5, 5)]


def regular(*shape: int) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(*shape, dtype=torch.float64) + 2 * torch.eye(shape[-1])


@pytest.mark.parametrize("shape", SIZES)
def test_square(shape) -> None:
    a, b = regular(*shape), torch.randn(*shape[:-1], 2, dtype=torch.float64)
    check(lambda a: (a.det(), *torch.linalg.slogdet(a), a.logdet()), a, opsets=(13, 20))
    check(lambda a: (a.inverse(), *torch.linalg.inv_ex(a)), a)
    check(lambda a, b: torch.linalg.solve(a, b), a, b)
    check(lambda a: (*torch.linalg.lu(a), *torch.linalg.lu_factor(a)), a, opsets=(20,))
    check(lambda a: torch.det(a), a.float(), dynamic=True, opsets=(20,))


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("shape", SIZES)
def test_triangles(shape, upper) -> None:
    a = regular(*shape)
    p = a @ a.mT + torch.eye(shape[-1])
    check(lambda p: torch.linalg.cholesky(p, upper=upper), p)
    check(lambda p: torch.linalg.cholesky_ex(p - 9, upper=upper)[1], p, opsets=(20,))
    check(lambda a, p: torch.linalg.solve_triangular(a, p, upper=upper), a, p)
    check(lambda a, p: torch.cholesky_solve(a, p, upper=upper), a, p.tril(), opsets=(20,))


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 5, 3), (3, 1)])
def test_qr(shape) -> None:
    """Signs are LAPACK's."""
    a = torch.randn(shape, dtype=torch.float64)
    check(lambda a: (*torch.linalg.qr(a), *torch.linalg.qr(a, mode="complete")), a, opsets=(13, 20))


@pytest.mark.parametrize("shape", [(3, 3), (5, 2), (2, 4), (2, 5, 4), (1, 1), (0, 2)])
def test_singular_values(shape) -> None:
    a = torch.randn(shape, dtype=torch.float64)
    check(lambda a: (torch.linalg.svdvals(a), torch.linalg.pinv(a)), a, opsets=(13, 20))
    if 0 not in shape:
        check(lambda a: (torch.linalg.matrix_rank(a), torch.linalg.cond(a)), a, opsets=(20,))


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("shape", [(3, 3), (5, 2), (2, 4)])
def test_svd(shape, full) -> None:
    """The vectors' signs are free; the product and orthonormality are not. Rank 1 works too."""

    def facts(a: torch.Tensor) -> tuple[torch.Tensor, ...]:
        u, s, vh = torch.linalg.svd(a, full_matrices=full)
        k = s.shape[-1]
        return s, u.mT @ u, vh @ vh.mT, (u[:, :k] * s) @ vh[:k]

    a = torch.randn(shape, dtype=torch.float64)
    check(facts, a, opsets=(20,))
    check(facts, torch.ones(shape, dtype=torch.float64), opsets=(20,))


def test_eigenvalues() -> None:
    a = regular(2, 5, 5)
    symmetric = a + a.mT

    def facts(a: torch.Tensor) -> tuple[torch.Tensor, ...]:
        values, v = torch.linalg.eigh(a)
        return values, v.mT @ v, (v * values.unsqueeze(-2)) @ v.mT

    check(facts, symmetric, opsets=(13, 20))
    check(lambda a: torch.linalg.eigvalsh(a, UPLO="U"), symmetric, opsets=(20,))


def test_products() -> None:
    x, y = torch.randn(2, 3), torch.randn(4)
    check(torch.kron, x, y, dynamic=True)
    check(torch.kron, x, torch.tensor(2.0, dtype=torch.float64))
    check(torch.kron, torch.tensor(2), torch.arange(3, dtype=torch.int8))
    check(lambda x, y: torch.linalg.cross(x, y), x.unsqueeze(0), torch.randn(4, 1, 3))
    check(lambda x: (x.matrix_power(5), x.matrix_power(0), x.matrix_power(-2)), regular(2, 3, 3))
    check(lambda x: torch.matrix_exp(x * 3), regular(2, 3, 3))
    check(lambda x: (torch.vander(x), torch.vander(x, 2, increasing=True)), torch.arange(3))


def test_vander_of_a_dynamic_size() -> None:
    """As many powers as elements; whole numbers stay exact."""
    x = torch.tensor([[3, -2, 0]])
    calls = [(torch.tensor([[2, 3, 5, 7, 60] * 2]),)]
    check(torch.linalg.vander, x, dynamic=True, calls=calls)
    check(torch.vander, x[0], dynamic=True, calls=[(torch.arange(6),), (x[0, :0],), (x[0, :1],)])


def test_solving_for_vectors_or_matrices() -> None:
    """Which of the two it is must be known from the sizes."""
    a, b = torch.randn(2, 3, 3), torch.randn(2, 3)
    check(torch.linalg.solve, a, b, rtol=1e-3)
    check(torch.linalg.solve, a, torch.randn(3, 4), rtol=1e-3)
    refuses(torch.linalg.solve, a, b, dynamic=True, match="give axes of equal size one name")


@pytest.mark.parametrize("driver", [None, "gels", "gelsy"])
@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (2, 4, 4)])
def test_least_squares(shape, driver) -> None:
    """Solution, residuals and rank."""
    a = torch.randn(shape, dtype=torch.float64)
    b = torch.randn(*shape[:-1], 2, dtype=torch.float64)
    function = torch.linalg.lstsq
    check(lambda a, b: tuple(function(a, b, driver=driver)), a, b, opsets=(13, 20))
    check(lambda a, b: tuple(function(a, b, driver=driver)), a, b[..., 0], opsets=(20,))


def test_least_squares_of_a_lower_rank() -> None:
    """The shortest of all solutions."""
    a = torch.randn(6, 2, dtype=torch.float64) @ torch.randn(2, 4, dtype=torch.float64)
    b = torch.randn(6, 3, dtype=torch.float64)
    check(lambda a, b: tuple(torch.linalg.lstsq(a, b)), a, b)
    for matrix in (a, torch.randn(6, 4, dtype=torch.float64)):
        check(lambda a, b: tuple(torch.linalg.lstsq(a, b, driver="gelsd")), matrix, b, opsets=(20,))
    check(lambda a, b: tuple(torch.linalg.lstsq(a.mT, b[:4], driver="gelss")), a, b, opsets=(20,))
    batch = torch.randn(2, 6, 4)
    refuses(lambda a: torch.linalg.lstsq(a, a, driver="gelsd"), batch, match="full rank")


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("upper", [False, True])
def test_triangular_solve(upper, transpose) -> None:
    a, b = regular(2, 3, 3), torch.randn(2, 3, 2, dtype=torch.float64)
    check(lambda b, a: torch.triangular_solve(b, a, upper, transpose), b, a, rtol=1e-3)


def test_sizes_that_must_be_known() -> None:
    refuses(torch.linalg.svdvals, torch.randn(3, 3), match="size is only known", dynamic=True)


def test_of_a_parameter() -> None:
    """Inverse and determinant of a constant leave no loop; a singular one is not computed here."""
    matrix, singular = torch.randn(2, 3, 3), torch.ones(2, 2)

    def program(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return x @ torch.inverse(matrix), *torch.slogdet(matrix)

    check(program, torch.randn(2, 3, 3), opsets=(20,), mode="trace")
    check(lambda x: x * torch.slogdet(singular)[1], torch.randn(2), opsets=(20,), mode="trace")

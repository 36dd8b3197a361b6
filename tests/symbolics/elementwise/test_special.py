"""Special functions of all kinds, over the whole line, in both precisions."""

from __future__ import annotations

import pytest
import torch

from tests.symbolics.harness import check

INF, NAN = float("inf"), float("nan")
LINE = torch.cat(
    [torch.linspace(-12, 12, 97), torch.tensor([1e-8, -1e-8, 40.0, -40.0, INF, -INF, NAN])]
)
UNIT = torch.cat([torch.linspace(-1.1, 1.1, 45), torch.tensor([1e-6, 0.99999, NAN])])
POSITIVE = torch.cat([torch.logspace(-6, 3, 60), torch.tensor([0.0, INF, NAN])])

ERRORS = ["erf", "erfc", "special_erfcx", "special_ndtr", "special_log_ndtr", "special_entr"]
BESSEL = [
    "special_bessel_j0",
    "special_bessel_j1",
    "i0",
    "special_i0e",
    "special_i1",
    "special_i1e",
]
BESSEL_ABOVE_ZERO = [
    "special_bessel_y0", "special_bessel_y1",
    "special_modified_bessel_k0", "special_modified_bessel_k1",
    "special_scaled_modified_bessel_k0", "special_scaled_modified_bessel_k1",
]  # fmt: skip


def operator(name: str) -> object:
    packet = getattr(torch.ops.aten, name)
    return lambda *inputs: packet(*inputs)


@pytest.mark.parametrize("name", [*ERRORS, *BESSEL, "special_spherical_bessel_j0"])
def test_whole_line(name: str) -> None:
    check(operator(name), LINE, atol=1e-6)
    check(operator(name), LINE.double(), opsets=(20,), atol=1e-6)


@pytest.mark.parametrize("name", BESSEL_ABOVE_ZERO)
def test_above_zero(name: str) -> None:
    finite = POSITIVE[torch.isfinite(POSITIVE)]
    check(operator(name), finite, atol=1e-5, rtol=1e-3)
    check(operator(name), finite.double(), opsets=(20,), atol=1e-5, rtol=1e-3)


def test_airy() -> None:
    """PyTorch's own values are off by 3e-6 near -2.3."""
    check(operator("special_airy_ai"), LINE[torch.isfinite(LINE)].double(), atol=1e-5)


def test_inverses() -> None:
    check(torch.erfinv, UNIT)
    check(torch.erfinv, UNIT.double(), rtol=1e-7, opsets=(20,))
    probabilities = torch.tensor(
        [0.0, 1e-30, 1e-10, 0.1, 0.5, 0.9, 1.0, -0.1, 1.1], dtype=torch.double
    )
    check(torch.special.ndtri, probabilities, rtol=1e-7)


def test_logarithms() -> None:
    column = LINE[::9].reshape(-1, 1)
    check(torch.xlogy, LINE, column)
    check(torch.special.xlog1py, LINE, column)
    check(lambda a: (torch.xlogy(a, 2), torch.xlogy(0, a), torch.xlogy(a.long(), 3)), LINE[:90])
    check(torch.logaddexp, LINE, column)
    check(torch.logaddexp2, LINE, column)


GAMMAS = {
    "lgamma": torch.lgamma,
    "digamma": torch.digamma,
    "trigamma": lambda x: torch.polygamma(1, x),
    "polygamma": lambda x: torch.polygamma(3, x),
}


@pytest.mark.parametrize("name", GAMMAS)
def test_gamma(name: str) -> None:
    points = torch.tensor([-3.7, -0.5, 0.1, 0.5, 1.0, 2.0, 3.3, 20.0, 200.0, 1e-3])
    check(GAMMAS[name], points, rtol=1e-3)
    check(GAMMAS[name], points.double(), rtol=1e-7, opsets=(20,))
    check(torch.lgamma, torch.tensor([0.0, -1.0, INF, -INF, NAN]))


def test_zeta_and_incomplete_gamma() -> None:
    s, q = (
        torch.tensor([1.0, 1.5, 2.0, 5.0, 0.5]),
        torch.tensor([[0.3], [2.0], [30.0], [-1.5], [-2.0]]),
    )
    check(torch.special.zeta, s.double(), q.double())
    a, x = (
        torch.tensor([0.0, 0.5, 1.0, 7.0, 99.0, 150.0]),
        torch.tensor([[0.0], [0.1], [6.0], [120.0]]),
    )
    check(torch.special.gammainc, a.double(), x.double(), atol=1e-7)
    check(torch.special.gammaincc, a, x)
    check(lambda v: torch.mvlgamma(v, 3), torch.tensor([1.5, 4.0, 30.0]))


def test_a_nan_leaves_other_elements_alone() -> None:
    """Where the elements decide together how many terms are added up."""
    x = torch.tensor([-1.5, NAN, 2.5, -INF, 0.3])
    check(lambda q: (torch.special.zeta(3.0, q), torch.polygamma(4, q)), x)
    n = torch.tensor([[0.0], [NAN], [1.0]])
    check(torch.special.laguerre_polynomial_l, torch.tensor([0.5, NAN, -2.0]), n)


POLYNOMIALS = [
    "chebyshev_polynomial_t", "chebyshev_polynomial_u",
    "chebyshev_polynomial_v", "chebyshev_polynomial_w",
    "shifted_chebyshev_polynomial_t", "shifted_chebyshev_polynomial_w", "hermite_polynomial_h",
    "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p",
]  # fmt: skip


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_polynomials(name: str) -> None:
    x, n = torch.linspace(-1, 1, 7).double(), torch.tensor([[-1], [0], [1], [2], [5], [9]])
    check(operator(f"special_{name}"), x, n, rtol=1e-6)
    check(
        lambda a: operator(f"special_{name}")(a, 4),
        x.float(),
        dynamic=True,
        calls=[(x.float()[:3],)],
    )  # type: ignore[operator]

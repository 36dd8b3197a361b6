"""Complex numbers of run time: complex128, whatever dtype the tensors have that they meet."""

import cmath

import torch
from torch import Tensor

from tests.conversion.harness import check, check_loop, refuses

X = torch.tensor([[1.0, 2.0], [-3.5, 0.5]])
Y = torch.tensor([[0.5, -2.0], [0.0, 1.0]])
CALLS = ((X, 0.5, 2), (Y, -1.5, 3))


def test_arithmetic() -> None:
    def program(z: Tensor, a: float, n: int):
        x = torch.complex(z[:, 0], z[:, 1])
        c = complex(a, n)
        parts = [x * (c + 1) * 2, x - complex(n), x / c, x + (a * 1j - c), x * (c / 2j), x * -c]
        same = [c == complex(a, n), c != complex(n, a), sum([c, 2j]) == c + 2j]
        return [torch.view_as_real(p) for p in parts], same

    check(program, *CALLS)


def test_items_of_tensors() -> None:
    def program(z: Tensor, a: float, n: int):
        x = torch.complex(z[:, 0], z[:, 1])
        item = x[1].item()
        number = complex(x[0])
        y = x.clone()
        y[0] = complex(a, 1.0)
        made = torch.full([2], complex(a, n)), torch.tensor(number), x + item, x / number, y
        return [torch.view_as_real(m) for m in made], number == complex(x[1])

    check(program, *CALLS, reference="script")


def test_functions() -> None:
    def program(z: Tensor, a: float, n: int):
        c = complex(a, n)
        x = torch.view_as_real(torch.tensor(cmath.exp(c)) * torch.tensor(cmath.sqrt(c)))
        known = cmath.phase(complex(1, 2)), cmath.isinf(complex(1, 2)), cmath.isfinite(1j)
        return x, abs(c), cmath.phase(c), cmath.isnan(c), cmath.isinf(c), cmath.isfinite(c), known

    check(program, *CALLS)


def test_branches_and_loops() -> None:
    def chosen(z: Tensor, a: float, n: int):
        x = torch.complex(z[:, 0], z[:, 1])
        c = complex(a, 1.0) if n > 2 else 2j
        maybe: complex | None = None
        if n > 2:
            maybe = complex(1.0, a)
        y = x * c
        if maybe is not None:
            y = y + maybe
        return torch.view_as_real(y)

    def repeated(z: Tensor, a: float, n: int):
        c = 1 + 1j
        for _ in range(n):
            c = c * complex(a, 1.0)
        return torch.view_as_real(torch.complex(z[:, 0], z[:, 1]) * c)

    check(chosen, *CALLS)
    check_loop(repeated, *CALLS)


def test_what_complex_numbers_are_not() -> None:
    def real(z: Tensor, a: float) -> Tensor:
        return z.fill_(complex(a, 1.0))

    def grown(z: Tensor, n: int) -> int:
        found = [1j]
        for k in range(n):
            found.append(complex(k, z[0]))
        return len(found)

    refuses(real, X[0], 0.5, match="a complex number of run time where a real one is wanted")
    refuses(grown, X[0], 99, match="complex whose length")

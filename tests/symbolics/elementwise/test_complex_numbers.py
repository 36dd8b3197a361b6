"""Complex tensors: parts, conjugates, views as pairs, arithmetic and functions of them."""

import pytest
import torch

from tests.symbolics.harness import check, refuses

torch.manual_seed(0)
Z = torch.randn(3, 4, dtype=torch.complex64)
W = torch.randn(4, dtype=torch.complex64)
WIDE = torch.randn(3, 4, dtype=torch.complex128)
X = torch.randn(3, 4)
INF, NAN = float("inf"), float("nan")
ODD = torch.tensor(
    [complex(0, 0), complex(-1, 0), complex(1, -0.0), complex(INF, 1), complex(2, NAN)]
)

MADE = {
    "complex": lambda: check(torch.complex, X, X + 1),
    "complex of doubles": lambda: check(torch.complex, X.double(), X.double()),
    "complex broadcasts": lambda: check(torch.complex, X, X[0]),
    "polar": lambda: check(torch.polar, X.abs(), X),
    "view_as_complex": lambda: check(lambda x: torch.view_as_complex(x) * 1j, torch.randn(3, 2)),
    "view_as_complex of any sizes": lambda: check(
        lambda x: torch.view_as_complex(x) * 1j, torch.randn(3, 2), dynamic=True
    ),
    "view_as_real": lambda: check(torch.view_as_real, Z),
    "cast": lambda: check(lambda x: (x.to(torch.complex64), x.to(torch.cdouble)), X),
    "of ints": lambda: check(lambda x: x.cfloat(), torch.arange(3)),
    "of bools": lambda: check(lambda x: x.cfloat(), X > 0),
    "real, imag": lambda: check(lambda z: (z.real, z.imag), Z),
    "real of a real": lambda: check(torch.real, X),
    "conj": lambda: check(lambda z: (z.conj(), torch.conj_physical(z), z.mH, z.adjoint()), Z),
    "conj, imag": lambda: check(lambda z: z.conj().imag, Z),
    "angle": lambda: check(torch.angle, torch.cat([Z.flatten(), ODD[:4]])),
    "0-d": lambda: check(lambda z: (z * 2, z.abs(), z.conj(), torch.view_as_real(z)), Z[0, 0]),
    "empty": lambda: check(lambda z: (z + 1, z.abs(), z.sum(0), torch.cat([z, z])), Z[:0]),
    "zeros, ones, full": lambda: check(
        lambda z: (torch.zeros_like(z) + z, z.new_ones(2), torch.full((2,), 1 + 2j) * z[0, :2]), Z
    ),
}


@pytest.mark.parametrize("case", MADE)
def test_made_and_taken_apart(case):
    MADE[case]()


ARITHMETIC = {
    "with real tensors": lambda z, w, x: (z + x, x - z, z * x, x / z),
    "with numbers": lambda z, w, x: (z + 1, 2 - z, z * 1j, z / (1 + 2j), 1 / z, x * 1j, z * 2.5),
    "with each other": lambda z, w, x: (z + w, z - w, z * w, z / w, -z),
    "compared": lambda z, w, x: (z == w, z != z, z == z.real, torch.isclose(z, z + 1e-9)),
    "powers": lambda z, w, x: (z**2, z**3, z**-1, z**0.5, z**w, z**0),
    "matmul": lambda z, w, x: (
        z @ w,
        z.mH @ z,
        z @ x.T.to(z.dtype),
        torch.vdot(w, w),
        z.T.matmul(z),
    ),
    "einsum": lambda z, w, x: (torch.einsum("ij,kj->ik", z, z), torch.einsum("ij,j->i", z, w)),
    "reductions": lambda z, w, x: (
        z.sum(),
        z.mean(0),
        z.sum(-1, keepdim=True),
        z.prod(1),
        z.cumsum(1),
    ),
    "norms": lambda z, w, x: (z.abs(), z.norm(), z.norm(dim=1), torch.var(z), z.std(0)),
    "addcmul": lambda z, w, x: (torch.addcmul(z, w, w, value=0.5), torch.lerp(z, z + w, 0.5)),
    "sgn": lambda z, w, x: (z.sgn(), (z * 0).sgn()),
}


@pytest.mark.parametrize("case", ARITHMETIC)
def test_arithmetic(case):
    check(ARITHMETIC[case], Z, W, X, opsets=(9, 20))
    check(ARITHMETIC[case], WIDE, W.to(torch.complex128), X.double(), opsets=(20,))


MOVED = {
    "indexing": lambda z: (z[0], z[:, 1:3], z[..., None], z[-1, ::2], z[:, [0, 2]]),
    "masks": lambda z: (torch.where(z.real > 0, z, z * 0), z.masked_fill(z.real > 0, 1j)),
    "shapes": lambda z: (z.reshape(2, 6), z.flatten(), z.T, z.unsqueeze(-1), z.view(-1, 2)),
    "joined": lambda z: (torch.cat([z, z.conj()], -1), torch.stack([z, z], 1), z.repeat(2, 1)),
    "split": lambda z: (*z.split(1), *z.unbind(-1), *z.chunk(2, -1)),
    "moved": lambda z: (z.flip(0), z.roll(1, 1), z.expand(2, 3, 4), z.permute(1, 0)),
    "padded": lambda z: (torch.nn.functional.pad(z, (1, 2)), z.tril(), z.diagonal()),
    "gathered": lambda z: (
        z.gather(0, torch.zeros(1, 4).long()),
        z.index_select(1, torch.tensor([2])),
    ),
    "scattered": lambda z: z.scatter(0, torch.zeros(1, 4).long(), z[1:2]),
    "index_add": lambda z: z.index_add(0, torch.tensor([0, 0]), z[:2]),
}


@pytest.mark.parametrize("case", MOVED)
def test_elements_move_as_those_of_real_tensors(case):
    check(MOVED[case], Z, opsets=(9, 13, 20))


def test_dynamic_sizes():
    def function(z, w):
        return z * w, z.reshape(-1), torch.view_as_real(z), z.abs().sum(-1), z.mean(0), z[:, :-1]

    other = (torch.randn(5, 7, dtype=torch.complex64), torch.randn(7, dtype=torch.complex64))
    check(function, Z, W, dynamic=True, calls=[other])


def test_writing_through_views():
    def function(z):
        z = z.clone()
        z[0] = 2 + 1j
        z.real[1] = 5.0
        z.imag.mul_(2)
        torch.view_as_real(z)[2, :, 1] = 7.0
        z.T[0].conj().add_(1j)
        return z

    check(function, Z)

    def through_complex(x):
        x = x.clone()
        torch.view_as_complex(x).mul_(1j)
        return x

    check(through_complex, torch.randn(3, 2))


FUNCTIONS = [
    "exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "sigmoid", "asin", "acos",
    "atan", "asinh", "acosh", "atanh", "reciprocal", "rsqrt", "square", "log2", "log10", "log1p",
    "expm1", "exp2",
]  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    check(getattr(torch, name), Z, opsets=(20,))
    # onnxruntime has some of these functions of float32 only.
    check(getattr(torch, name), WIDE, opsets=(20,))


def test_extreme_values():
    big = torch.tensor([complex(1e30, 1e30), complex(1e-30, -1e-30), complex(3e20, 4e20)])
    check(lambda z: (z.abs(), z / z, 1 / z[:1]), big, opsets=(20,))
    check(
        lambda z: (torch.isnan(z), torch.isinf(z), torch.isfinite(z), z.abs(), torch.nan_to_num(z)),
        ODD,
        opsets=(20,),
    )
    check(lambda z: torch.sqrt(z), ODD[:3], opsets=(20,))
    check(lambda z: torch.log(z), ODD[1:3], opsets=(20,))


def test_systems():
    square = torch.randn(3, 3, dtype=torch.complex128)
    right = torch.randn(3, 2, dtype=torch.complex128)
    check(torch.linalg.solve, square, right, opsets=(20,), rtol=1e-8)
    check(torch.linalg.det, square, opsets=(20,), rtol=1e-8)
    check(torch.linalg.cholesky, square @ square.mH, opsets=(20,), rtol=1e-8)


def test_branches_and_loops_carry_complex_tensors():
    def function(z, n: int):
        for i in range(n):
            z = z * 1j if bool((z.abs().sum() > 10).item()) else z + i
        return z

    check(function, Z, 3, mode="script")
    check(function, Z, 0, mode="script")


def test_numbers_in_scripts():
    def function(z):
        made = (torch.tensor(1j), torch.tensor([1j, 2j]), torch.full([2], 1j))
        return z * made[0], made[1], made[2], z * complex(2.0, 1.0)

    check(function, Z, mode="script", opsets=(20,))


def test_parameters_and_buffers():
    class Filter(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(W.clone())
            self.register_buffer("mirror", W.clone().reshape(2, 2).T.conj())

        def forward(self, z):
            return z * self.weight, self.mirror.sum() + z

    check(Filter(), Z)
    check(Filter(), Z, mode="script")


class Rotary(torch.nn.Module):
    """Rotary position embeddings as products of complex numbers."""

    def __init__(self):
        super().__init__()
        angles = torch.outer(torch.arange(16), 1 / 10000 ** (torch.arange(0, 8, 2) / 8))
        self.register_buffer("turns", torch.polar(torch.ones_like(angles), angles))

    def forward(self, q):
        n = q.shape[1]
        pairs = torch.view_as_complex(q.float().reshape(q.shape[0], n, q.shape[2], -1, 2))
        turned = pairs * self.turns[:n].view(1, n, 1, -1)
        return torch.view_as_real(turned).flatten(3).type_as(q)


@pytest.mark.parametrize("mode", ["trace", "script"])
def test_rotary_embeddings(mode):
    check(Rotary(), torch.randn(2, 5, 3, 8), mode=mode, calls=[])


def test_what_has_no_counterpart_is_an_error():
    refuses(lambda z: torch.nn.functional.rms_norm(z, z.shape[-1:]), Z, match="complex")

"""int, float and bool arithmetic, on values known when the graph is built and at run time."""

import math

import pytest
import torch

import exporter
from exporter.errors import RaisedError
from tests.conversion.harness import check

X = torch.ones(2)
INTS = [(7, 2), (-7, 2), (7, -2), (-7, -2), (0, 3), (5, 5), (-1, 4)]
FLOATS = [(7.5, 2.0), (-7.5, 2.0), (7.5, -2.0), (-0.5, -2.5), (2.5, 0.5), (1e10, 3.0)]


def int_program(x, a: int, b: int):
    return (
        x, a + b, a - b, a * b, a // b, a % b, a / b, -a, abs(a), a == b, a != b, a < b, a <= b, a > b, a >= b,
        min(a, b), max(a, b), a & b, a | b, a ^ b, float(a), bool(a), a**2, int(a / 2),
        divmod(a, b)[0], divmod(a, b)[1], max([a, b, 3]), not bool(a),
    )  # fmt: skip


def shift_program(x, a: int):
    return x, a << 2, a >> 1, a >> 3


def float_program(x, a: float, b: float):
    return (
        x, a + b, a - b, a * b, a // b, a % b, a / b, -a, abs(a), a == b, a != b, a < b, a <= b, a > b, a >= b,
        min(a, b), max(a, b), int(a), bool(a), a**2, math.floor(a), math.ceil(a), round(a), a + 1, 2 * b, a > 1,
        math.isnan(a), math.isinf(b), math.exp(-abs(a) / 1e10), math.sqrt(abs(a)), divmod(a, b)[0],
    )  # fmt: skip


def mixed_program(x, a: int, b: float):
    return (
        x,
        a + b,
        a * b,
        b / a,
        a - b,
        b // a,
        b % a,
        a < b,
        max(float(a), b),
        b**a,
        a**b if a > 0 else b,
    )


@pytest.mark.parametrize("a,b", INTS)
def test_known_ints(a: int, b: int) -> None:
    check(int_program, (X, a, b), reference="script", constants={"a": a, "b": b})


def test_run_time_ints() -> None:
    check(int_program, *((X, a, b) for a, b in INTS), reference="script")


def test_shifts() -> None:
    check(shift_program, *((X, a) for a in (5, -5, 0, 1, -1)), reference="script")


def test_run_time_floats() -> None:
    check(float_program, *((X, a, b) for a, b in FLOATS), reference="script")


def test_mixed() -> None:
    check(mixed_program, (X, 3, 2.5), (X, -2, 0.5), (X, 1, -7.25), reference="script")


def test_known_arithmetic() -> None:
    def program(x):
        a, b, f = -7, 2, -7.5
        return (
            x, a // b, a % b, a / b, f // b, f % b, round(2.5), round(3.5), round(-0.5), int(f), math.floor(f),
            math.ceil(f), a**b, 2**3, 2.0**-1, a >> 1, a << 1, abs(a), min(a, b), max(f, 1.0), 7 // -2, 7 % -2,
            math.pi, math.inf, bool(0.0), bool(a), float("inf"), 1 if a < b else 2, math.gcd(12, 18), math.log(8.0, 2.0),
        )  # fmt: skip

    check(program, (X,), reference="script")


def test_known_int_powers() -> None:
    def program(x):
        return x, 2**10, (-2) ** 3, 2**0, 2.5**2, 4**0.5

    check(program, (X,), reference="script")


def test_sizes_in_arithmetic() -> None:
    def program(x):
        n = x.size(0)
        m = x.numel()
        return (
            x.reshape(-1), n // 2, n % 3, n * 2 - 1, n / 2, float(n), n > 2, n == 3, min(n, 2), max(n, 4), (n + 1) // 2 * 2,
            -n // 2, m // max(n, 1), int(n * 0.5), int(math.ceil(n / 2)), n << 1, n >> 1, n & 1, bool(n),
        )  # fmt: skip

    calls = [(torch.ones(n, 2),) for n in (3, 0, 1, 4, 7)]
    check(program, *calls, dynamic=True)


def test_numbers_of_tensors() -> None:
    def program(x):
        n = int(x[0])
        f = float(x[1])
        b = bool(x[0] > 0)
        k = x[0].item()
        s = x.sum().item()
        return x + n, n // 2, f * 2, b, int(x.argmax()), x.size(0) + n, float(k) + float(s)

    check(program, (torch.tensor([3.7, -1.5]),), (torch.tensor([-3.7, 2.5]),))


def test_ints_used_as_sizes() -> None:
    def program(x, n: int):
        return (
            torch.zeros(n, 2), torch.arange(n), x[:n], torch.full([n], 3), x.repeat(n), torch.ones([n + 1]).sum(),
            torch.eye(n), x.expand(n, 2), x * n, torch.tensor(n), torch.tensor([n, 1]), torch.linspace(0, 1, n + 1),
        )  # fmt: skip

    check(program, (X, 3), (X, 0), (X, 1))


def test_random_large_ints() -> None:
    def program(x, a: int, b: int):
        return x, a + b, a // b, a % b, a > b, a - b, a * 2, a ^ b

    big = 2**62 - 3
    check(program, (X, big, 7), (X, -big, 7), (X, big, -1000003), (X, 9007199254740993, 2))


def test_bools() -> None:
    def program(x, p: bool, q: bool):
        return (
            x,
            p and q,
            p or q,
            not p,
            p == q,
            p != q,
            p & q,
            p | q,
            p ^ q,
            int(p) + int(q),
            p + q,
            float(p),
        )

    check(program, *((X, p, q) for p in (True, False) for q in (True, False)))


def test_scalar_with_tensors() -> None:
    def program(x, n: int, f: float, b: bool):
        k = torch.arange(3)
        return (
            x + n,
            x * f,
            k + n,
            k * f,
            k // n,
            x / n,
            k + b,
            k > n,
            torch.where(k > n, k, n),
            k % n,
            n - x,
            f / x,
        )

    check(program, (X, 2, 1.5, True), (X, -3, 0.25, False))


def test_comparison_chains() -> None:
    def program(x, n: int):
        if 0 < n <= 3:
            return x * n
        return x - n

    check(program, (X, 2), (X, 0), (X, 3), (X, 4))


def test_extremes_of_nan_and_of_mixed_numbers() -> None:
    """C++ takes the second number unless the first is beyond it; an int beside a float is one."""

    def program(x, a: float, b: float, n: int):
        known = (
            max(float("nan"), 2.0),
            min(2.0, float("nan")),
            max(3, 2.5),
            min([2.0, float("nan")]),
        )
        pairs = max(a, b), min(a, b), max(n, b), min(a, n)
        return known, pairs, max([a, b, 1.0]), min([a, b, 1.0])

    nan = math.nan
    calls = ((X, 3.0, 2.5, 3), (X, nan, 2.0, -1), (X, 0.5, nan, 9), (X, nan, nan, 0))
    check(program, *calls, reference="script")


@pytest.mark.parametrize("number", ["nan", "inf", "1e30", "-1e30"])
def test_a_constant_tensor_that_is_no_int(number: str) -> None:
    """PyTorch checks the one of a tensor, and not a number of the program."""
    source = "def f(x):\n    return x + int(torch.tensor(float('{}')))\n"
    function = torch.jit.CompilationUnit(source.format(number)).f
    with pytest.raises(RuntimeError, match="overflow"):
        function(X)
    with pytest.raises(RaisedError, match="as an int, which overflows"):
        exporter.export(function, (X,))


def test_integers_of_32_bits_wrap_around() -> None:
    """Those made of numbers, too, which are expressions of 64 bits otherwise."""

    def program(x, n: int, m: int):
        one = torch.tensor(n).to(torch.int32)
        pair = torch.tensor([n, m]).to(torch.int32)
        size = torch.tensor(x.size(0), dtype=torch.int32)
        return x, int(one), (one * one).long(), (pair * pair[0]).sum(), int(size * size * size)

    large = 2**31 + 5
    calls = ((X, 3, 4), (X, 70000, 65536), (X, large, -large), (torch.ones(3000), 1, 2))
    check(program, *calls, dynamic=True)


def test_numbers_in_text() -> None:
    def program(x):
        return int(" 12"), int("-7"), float("1e3"), float("-inf"), float(" .5")

    check(program, (X,), reference="script")


@pytest.mark.parametrize("shape", [(2, 2), (0,), (1, 3)])
@pytest.mark.parametrize("kind", ["int", "float", "bool", "item"])
@pytest.mark.parametrize("known", [True, False])
def test_a_tensor_that_is_no_number(shape: tuple[int, ...], kind: str, known: bool) -> None:
    """An error of the program: a branch that fails so is one that is not taken."""
    given = torch.ones(shape)

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.kept = given

        def forward(self, x, other, c: bool):
            return x

    text = {
        "int": "int({})",
        "float": "float({})",
        "bool": "int(bool({}))",
        "item": "int({}.item())",
    }
    name = "self.kept" if known else "other"
    code = f"def forward(self, x, other, c: bool):\n    if c:\n        x = x + {text[kind].format(name)}\n    return x\n"
    scripted = torch.jit.script(Module())
    scripted.define(code.replace("forward", "program"))
    inputs = (X, given, False)
    result = exporter.export(scripted, inputs, method="program", constants={"c": False})
    assert result.model is not None
    with pytest.raises(RaisedError, match="as a number"):
        exporter.export(scripted, (X, given), method="program", constants={"c": True})
    report = exporter.export(scripted, inputs, method="program").report
    assert any("as a number" in note for note in report.preconditions)

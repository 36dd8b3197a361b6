"""Text as TorchScript makes it, which is not always as Python does."""

import pytest
import torch
from torch import Tensor

from tests.conversion.harness import refuses

X = torch.ones(2)


@pytest.mark.parametrize(
    "expression",
    [
        "str([1.0, 2.5, 0.1])",
        "str({'k': 1.5, 'l': 2.0**40})",
        "str(('a', 1))",
        "str(['a', [True]])",
        "str((1,))",
        "str([float('inf'), -0.0, 1e-7, 1e15, 1e20])",
        "str([None])",
        "str([2-3j])",
        "'{} {}'.format(True, (1, 2.0))",
        "'{0} {}'.format(2.0)",
        "'{}'.format(1, 2)",
        "'%s|%d|%i|%f|%e|%s%%' % ('a', 2.7, 3, 0.1, 12345.678, 0.1)",
        "'%s' % [1, 2]",
        "', '.join(['a', 'b']) + 'c'.upper()",
        "'a,b,c'.split(',')[1] + 'abc'[::-1] if False else 'abc'[1:]",
    ],
)
def test_text(expression: str) -> None:
    """The message of an exception shows what the exporter made of it."""
    source = "def f(x):\n    s = {}\n    {}\n    return {}\n"
    wanted = torch.jit.CompilationUnit(source.format(expression, "pass", "s")).f(X)
    raising = torch.jit.CompilationUnit(source.format(expression, "raise ValueError(s)", "x")).f
    error = refuses(raising, X, match="the program raises")
    assert error.message == f"the program raises: {wanted}"


@pytest.mark.parametrize(
    ("expression", "match"),
    [
        ("'{} {}'.format(1)", "too few arguments"),
        ("'%s' % (1, 2)", "too many arguments"),
        ("'%d' % 'a'", "%d requires a number"),
        ("'%5d' % 1", "%5 in the format"),
    ],
)
def test_formats_that_torchscript_has_not(expression: str, match: str) -> None:
    source = f"def f(x):\n    s = {expression}\n    return x + len(s)\n"
    refuses(torch.jit.CompilationUnit(source).f, X, match=match)


def test_text_with_a_run_time_number() -> None:
    """It can be shown and put together, but nothing can be asked of it."""

    def measured(x: Tensor, n: int) -> Tensor:
        return x + len("n is " + str(n))

    def key(x: Tensor, n: int) -> Tensor:
        return {"k1": x, "k2": -x}[f"k{n}"]

    def equal(x: Tensor, n: int) -> Tensor:
        return x if "%d" % n == "3" else -x  # noqa: UP031  TorchScript has it

    for program in (measured, key, equal):
        refuses(program, X, 3, match="only known at run time")

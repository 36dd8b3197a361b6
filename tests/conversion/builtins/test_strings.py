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


@pytest.mark.parametrize(
    "expression",
    [
        # Bytes, of which ASCII's are the only letters.
        "'é'.upper() + 'É'.lower() + 'é a'.title() + 'é'[0] + 'é'[1] + 'aé'[:2] + 'aé'[2:]",
        "str(len('é')) + str(len(list('aé'))) + str('é'.isalpha()) + str('Aé'.isupper())",
        "'é'.center(5, '*') + 'é'.zfill(4) + '-1'.zfill(4) + '|'.join(('a' + chr(13) + chr(10) + 'b').splitlines())",
        "chr(195) + chr(169) + chr(256 + 97) + 'ab'.expandtabs() + 'a\\n\\tb'.expandtabs(4)",
        # Other spaces, words and lines than Python's.
        "(' a' + chr(13)).strip() + '|' + '|'.join('a b  c'.split(None, 1)) + '|'.join('a '.rsplit())",
        "'|'.join('a\\n\\nb\\n'.splitlines(True)) + str('_a'.isidentifier()) + str('a1'.isidentifier())",
        # Bounds: the end counts from behind the last byte.
        "str('abab'.find('b', 0, -2)) + str('abab'.rfind('', 9)) + str('abab'.count('ab', -9, 3))",
        "str('abab'.index('b', 2)) + str('abab'.rindex('a')) + str('abab'.startswith('b', 1, 0))",
        "str('abab'.endswith('a', 0, -2)) + 'abab'.replace('a', 'é', 1) + str(int('+7'))",
    ],
)
def test_methods(expression: str) -> None:
    """Methods give what C++ makes of them, where Python gives something else."""
    test_text(expression)


@pytest.mark.parametrize(
    ("expression", "match"),
    [
        ("'ab'.index('c')", "substring not found"),
        ("'ab'.find('a', 3, 9)", "3 is behind the end"),
        ("'a b'.split('')[0] == 'a'", "empty separator"),
        ("ord('é')", "not of one byte"),
        ("int('1 ')", "'1 ' is no int"),
        ("int('9223372036854775808')", "is no int"),
        ("float('1_0')", "'1_0' is no float"),
    ],
)
def test_methods_that_raise(expression: str, match: str) -> None:
    source = f"def f(x):\n    s = {expression}\n    return x + len(str(s))\n"
    refuses(torch.jit.CompilationUnit(source).f, X, match=match)


def test_text_with_a_run_time_number() -> None:
    """It can be shown and put together, but nothing can be asked of it."""

    def measured(x: Tensor, n: int) -> Tensor:
        return x + len("n is " + str(n))

    def key(x: Tensor, n: int) -> Tensor:
        return {"k1": x, "k2": -x}[f"k{n}"]

    def equal(x: Tensor, n: int) -> Tensor:
        return x if "%d" % n == "3" else -x  # noqa: UP031  TorchScript has it

    def base(x: Tensor, n: int) -> Tensor:
        return x + len(hex(n))

    for program in (measured, key, equal, base):
        refuses(program, X, 3, match="only known at run time")

"""Constructs without an ONNX counterpart: what, where, and all of them together."""

import torch

from tests.conversion.harness import refuses

X = torch.tensor([[1.0, -2.0], [3.0, 0.5]])


def test_a_data_dependent_key() -> None:
    def program(x):
        d: dict[int, torch.Tensor] = {}
        for i in range(2):
            d[int(x[i, 0])] = x[i]
        return d[1]

    error = refuses(program, X, match="dict key that is only known at run time")
    assert "d[int(x[i, 0])] = x[i]" in str(error)
    assert "test_errors.py:" in str(error)


def test_lists_of_lists_of_run_time() -> None:
    def program(x, n: int):
        out: list[list[torch.Tensor]] = []
        for _ in range(n):
            out.append([x, x])
        return out

    error = refuses(program, X, 3, match="list")
    assert "test_errors.py:" in str(error)


def test_storage_changed_in_place() -> None:
    def program(x):
        y = torch.zeros(3)
        y.resize_([2, 2])
        return y + x

    error = refuses(program, X, match="storage")
    assert "y.resize_([2, 2])" in str(error)


def test_a_dtype_that_depends_on_the_data() -> None:
    def program(x):
        if x.sum() > 0:
            y = x.to(torch.int64)
        else:
            y = x
        return y.sum()

    error = refuses(program, X, match="one dtype")
    assert "if x.sum() > 0:" in str(error)


def test_unsupported_operators_are_shown_together() -> None:
    def program(x):
        y = torch.binomial(x, x)
        z = torch.poisson(x)
        return y + z

    error = refuses(program, X, match="no symbolic for aten::")
    text = str(error)
    assert "aten::binomial(Tensor count" in text
    assert "also no symbolic for aten::poisson(Tensor self" in text
    assert "y = torch.binomial(x, x)" in text
    assert "z = torch.poisson(x)" in text

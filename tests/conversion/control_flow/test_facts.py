"""What a condition or a check says is known where it holds, and nowhere else.

TorchScript reads the annotations of these functions, so they are not postponed.
"""

# ruff: noqa: SIM108  the programs are about branches

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

import exporter
from exporter.conversion.control_flow.facts import Facts
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Symbol, SymInt


def converted(
    function: Callable[..., Any], calls: list[tuple[Any, ...]], **options: Any
) -> exporter.Exported:
    """Convert a scripted function; fail unless all calls give what PyTorch gives."""
    scripted = torch.jit.script(function)
    exported = exporter.export(scripted, calls[0], **options)
    content = exporter_bytes(exported)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    for call in calls:
        arrays = [v.numpy() if isinstance(v, Tensor) else np.asarray(v) for v in call]
        found = session.run(None, dict(zip(names, arrays, strict=True)))
        wanted = scripted(*call)
        for array, value in zip(
            found, wanted if isinstance(wanted, tuple) else (wanted,), strict=True
        ):
            np.testing.assert_allclose(array, np.asarray(value), 1e-5, 1e-6)
            assert array.shape == tuple(np.shape(value))
    return exported


def exporter_bytes(exported: exporter.Exported) -> bytes:
    """The model as bytes."""
    buffer = io.BytesIO()
    exported.save(buffer)
    return buffer.getvalue()


def ifs(exported: exporter.Exported) -> int:
    """How many `If` nodes are left."""
    return exported.report.operators["If"]


def nested_tests(x: Tensor) -> Tensor:
    """The inner conditions follow from the outer one."""
    if x.size(0) > 3:
        if x.size(0) > 2 and x.size(0) != 1:
            y = x * 2
        else:
            y = x * 3
    else:
        if x.size(0) >= 4:
            y = x * 5
        else:
            y = x * 7
    return y


def test_conditions_that_follow() -> None:
    """A condition that the branch decides needs no `If` of its own."""
    exported = converted(
        nested_tests, [(torch.ones(n, 2),) for n in (5, 3, 4)], dynamic_axes={"x": {0: "n"}}
    )
    assert ifs(exported) == 1


def known_number(x: Tensor, n: int) -> Tensor:
    """In the branch the number is a constant."""
    if n == 3:
        y = torch.cat([x] * n)
    else:
        y = x
    return y + 1


def test_an_equation_gives_a_number() -> None:
    """`if n == 3` makes n a 3 inside, even where a number must be known."""
    converted(known_number, [(torch.ones(2), 3), (torch.ones(2), 4)])


def after_a_check(x: Tensor, n: int) -> Tensor:
    """After the check the branch is decided."""
    if n < 2:
        raise ValueError("too few")
    if n > 1:
        y = x * n
    else:
        y = x.sum(0)
    return y


def test_what_a_check_excludes() -> None:
    """After `if bad: raise` the opposite holds."""
    exported = converted(after_a_check, [(torch.ones(2), 3), (torch.ones(2), 2)])
    assert ifs(exported) == 0
    assert any("too few" in condition for condition in exported.report.preconditions)


def only_inside(x: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """What a branch knows is not known after it."""
    if n > 0:
        y = x * 2
    else:
        y = x
    if n > 0:
        z = y + 1
    else:
        z = y - 1
    return y, z


def test_a_branch_ends() -> None:
    """A condition holds in its branch only."""
    converted(only_inside, [(torch.ones(2), n) for n in (1, 0, -1)])


def two_sizes(x: Tensor, n: int) -> Tensor:
    """A check, and an index, say something of two sizes at once."""
    if n < 0 or n >= x.size(0):
        raise ValueError("nothing left")
    rest = x[n:]
    if x.size(0) > n + 3 and rest.size(0) > 2:
        y = rest * 2
    elif rest.size(0) < 1:
        y = rest * 3
    else:
        y = rest + 1
    if n > x.size(0):
        y = y * 4
    last = x[min(n, 4) :][-1]
    if len(x[min(n, 4) :]) > 0:
        y = y + last
    return y


def test_what_is_known_of_two_sizes() -> None:
    calls = [(torch.ones(size), n) for size, n in [(5, 1), (9, 3), (3, 2)]]
    exported = converted(two_sizes, calls, dynamic_axes={"x": {0: "n"}})
    assert ifs(exported) == 1


def check_in_a_loop(x: Tensor, n: int) -> Tensor:
    """The check is made if the loop runs at all."""
    for i in range(n):
        if x.size(0) < 2:
            raise ValueError("too small")
        x = x + i
    if x.size(0) < 2:
        x = x * 3
    return x


def test_a_check_in_a_loop() -> None:
    """Zero trips check nothing."""
    calls = [(torch.ones(3), 2), (torch.ones(1), 0), (torch.ones(3), 0)]
    converted(check_in_a_loop, calls, dynamic_axes={"x": {0: "n"}})


def two_ranks(x: Tensor, flag: bool) -> Tensor:
    """The rank is decided by one branch and asked for by the next."""
    if flag:
        y = x.sum(0)
    else:
        y = x
    if y.dim() == 2:
        z = torch.matmul(y, y.t())
    else:
        z = y.unsqueeze(0) * y.unsqueeze(1)
    return z


def test_a_rank_that_a_branch_asks_for() -> None:
    """Where `dim()` is known, so is the shape."""
    converted(two_ranks, [(torch.rand(3, 3), True), (torch.rand(3, 3), False)])


def one_of_two_ranks(x: Tensor, flag: bool) -> Tensor:
    """A rank of two, a check that excludes one of them."""
    if flag:
        y = x.sum(0)
    else:
        y = x
    if y.dim() not in [1, 3]:
        raise ValueError("a vector is wanted")
    return y.expand(2, -1)


def test_a_rank_that_a_check_excludes() -> None:
    """After the check only one shape is possible."""
    converted(one_of_two_ranks, [(torch.rand(3, 3), True)])


def squeezed(x: Tensor) -> Tensor:
    """Whether the dim goes is known from a check."""
    y = x.squeeze(0)
    assert y.dim() == 1
    return y.unsqueeze(1) * y.unsqueeze(0)


def test_a_squeeze_of_unknown_size() -> None:
    """A dim of size 1 goes, another stays: the two shapes are remembered."""
    converted(squeezed, [(torch.rand(1, 3),)], dynamic_axes={"x": {0: "n"}})


def refilled(x: Tensor) -> Tensor:
    """Where the input is empty, zeros of its size are the input."""
    if x.size(0) == 0:
        x = torch.zeros(x.size(0), 3)
    return x * 2


def test_an_empty_tensor_is_like_any_other() -> None:
    """A branch that can only give an empty tensor needs no `If`."""
    exported = converted(
        refilled, [(torch.ones(2, 3),), (torch.ones(0, 3),)], dynamic_axes={"x": {0: "n"}}
    )
    assert ifs(exported) == 0


def resized(x: Tensor) -> Tensor:
    """The zeros are not of the input's shape."""
    if x.size(0) == 0:
        x = torch.zeros(1, 3)
    return x * 2


@pytest.mark.parametrize("rows", [0, 2])
def test_a_tensor_that_is_not_empty(rows: int) -> None:
    """The shape must be the same."""
    calls = [(torch.ones(2, 3),), (torch.ones(rows, 3),)]
    exported = converted(resized, calls, dynamic_axes={"x": {0: "n"}})
    assert ifs(exported) == 1


def test_a_relation_takes_the_place_of_weaker_ones() -> None:
    """A program that reads a thousand indices of one dim is no slower for what each says."""
    facts = Facts(Builder())
    n, m = Symbol("n"), Symbol("m")
    product = SymInt.of(n) * SymInt.of(m)
    facts.relate(SymInt.of(n) - SymInt.of(m))
    with facts.scope():
        for index in range(5):
            facts.relate(product - index)
        assert n.relations == m.relations == (SymInt.of(n) - SymInt.of(m), product - 4)
    assert n.relations == (SymInt.of(n) - SymInt.of(m),)


def test_a_step_that_a_branch_rules_out() -> None:
    """The branch fails where it is taken, as the step is 0 there."""

    def program(x, n: int):
        if n == 0:
            x[::n] = 1
        elif n > 0:
            x[::n] = 2
        return x

    x = torch.zeros(4)
    result = converted(program, [(x, 1), (x, 3), (x, -1)])
    assert "step" in result.report.preconditions[0]

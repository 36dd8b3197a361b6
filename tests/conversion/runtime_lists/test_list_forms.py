"""Lists of run-time length where paths meet: branches, loops, containers, state."""

from typing import NamedTuple, Optional

import pytest
import torch
from torch import Tensor, nn

from tests.conversion.harness import check, converted, loaded, operators, refuses, script
from tests.conversion.sized_lists import X, at_sizes

EVERY = (11, 13, 20)


def test_rows_leave_branches_as_a_tensor() -> None:
    """A fixed list and one of run-time length, of items of one shape: no Sequence at any opset."""

    def program(x, flag: bool):
        xs = [x.sum(0), x.mean(0)]
        if flag:
            xs = list(x.unbind(0))
            xs.append(x.sum(0))
        return torch.stack(xs), len(xs)

    calls = [(X[:n], flag) for n in (5, 1) for flag in (True, False)]
    for opset in EVERY:
        result = check(program, *calls, dynamic=True, opset_version=opset)
        assert not {name for name in operators(result) if "Sequence" in name}


def test_rows_carried_by_a_loop() -> None:
    def program(x, n: int):
        xs = list(x.unbind(0))
        window = [x.sum(0), x.sum(0)]
        for k in range(n):
            xs.append(xs[k] + 1)
            xs[0] = xs[-1] * 2
            xs.insert(1, x.sum(0))
            window = window[1:] + [xs[k]]
            last = xs.pop()
            xs = [last] + xs[::-1]
        return torch.stack(xs), torch.stack(window)

    at_sizes(program, (0,), (1,), (3,), sizes=(5, 2, 1), opsets=EVERY)


def test_a_sliding_window() -> None:
    """The list that the loop starts with is changed once, then it is another one."""

    def program(x, n: int):
        window: list[Tensor] = []
        for k in range(n):
            window.append(x.sum(0) + k)
            if len(window) > 2:
                window = window[-2:]
        return torch.stack(window)

    at_sizes(program, (1,), (2,), (5,), opsets=EVERY)


def test_the_other_name_of_a_list_that_a_loop_replaces() -> None:
    def program(x, n: int):
        window: list[Tensor] = []
        first = window
        for _ in range(n):
            window.append(x)
            if len(window) > 2:
                window = window[-2:]
        return len(first)

    refuses(program, X, 3, match="change a copy")


def test_a_list_that_grows_in_nested_loops() -> None:
    def program(x, n: int):
        rows: list[Tensor] = []
        numbers: list[int] = []
        for row in x:
            for k in range(n):
                rows.append(row * k)
                numbers.append(k)
            rows.append(row)
        return len(rows), torch.stack(rows), torch.tensor(numbers, dtype=torch.int64)

    at_sizes(program, (0,), (2,), sizes=(5, 2, 1), opsets=EVERY)


def test_a_list_that_grows_under_a_condition() -> None:
    def program(x, n: int):
        even: list[Tensor] = [x.sum(0)]
        odd: list[float] = []
        for k, row in enumerate(x):
            if k == n:
                break
            if k % 2 == 0:
                even.append(row)
            else:
                odd.append(float(row[0]))
        return torch.stack(even), torch.tensor(odd, dtype=torch.float64)

    at_sizes(program, (9,), (3,), (0,), opsets=EVERY)


class Page(NamedTuple):
    """A named tuple that holds a list."""

    items: list[Tensor]
    number: int


def test_lists_in_containers() -> None:
    def program(x, n: int):
        held = {"rows": list(x.unbind(0)), "sums": [x.sum(0)]}
        pair = (x.unbind(0), [1, 2])
        page = Page(list(x.unbind(0)), 0)
        for k in range(n):
            held["rows"].append(x.sum(0))
            held["sums"] = held["sums"] + held["rows"][:1]
            pair = (pair[0] + pair[0][:1], pair[1] + [k])
            page = Page(page.items[1:] + [x.sum(0)], page.number + 1)
        joined = torch.stack(held["rows"]), torch.stack(held["sums"])
        return joined, pair[0], torch.tensor(pair[1]), torch.stack(page.items), page.number

    at_sizes(program, (0,), (1,), (3,), sizes=(5, 2, 1), opsets=EVERY)


def test_a_list_or_none() -> None:
    def program(x, n: int):
        xs: Optional[list[Tensor]] = None
        for _ in range(n):
            xs = list(x.unbind(0)) if xs is None else xs + xs[:1]
        if xs is None:
            return x
        return torch.stack(xs)

    at_sizes(program, (0,), (1,), (3,), sizes=(5, 2, 1), opsets=(13, 20))


def test_items_that_may_be_none() -> None:
    """In a list of known length; one that grows in a loop is refused."""

    def program(x, n: int):
        found: list[Optional[Tensor]] = [None, None, None]
        for k in range(3):
            if k < n:
                found[k] = x.sum(0) * k
        total = x.sum(0)
        for item in found:
            if item is not None:
                total = total + item
        return total, found[2] is None

    check(program, *[(X, n) for n in range(4)])

    def growing(x):
        found: list[Optional[Tensor]] = []
        for k, row in enumerate(x):
            if k % 2 == 0:
                found.append(row)
            else:
                found.append(None)
        return len(found)

    refuses(growing, X, match="a list of .* or None whose length", dynamic_axes={"x": {0: "n"}})


class Window(nn.Module):
    """Remembers the last rows, at most three."""

    rows: list[Tensor]
    numbers: list[int]

    def __init__(self) -> None:
        super().__init__()
        self.rows = []
        self.numbers = []

    def forward(self, x: Tensor) -> Tensor:
        self.rows.append(x)
        self.numbers = self.numbers[-2:] + [len(self.rows)]
        if len(self.rows) > 3:
            self.rows = self.rows[1:]
        return torch.stack(self.rows).sum(0) + sum(self.numbers)


@pytest.mark.parametrize("opset", [13, 20])
def test_a_list_of_tensors_as_state(opset: int) -> None:
    """A Sequence, also where the rows of a tensor were joined; the first call starts without any."""
    module = script(Window())
    result = converted(module, (torch.zeros(3),), opset_version=opset)
    session = loaded(result)
    state = dict(result.initial_state)
    assert state["rows"] == []
    for k in range(6):
        x = torch.rand(3) + k
        output, *found = session.run(None, {"x": x.numpy(), **state})
        torch.testing.assert_close(torch.from_numpy(output), module(x))
        state = dict(zip(result.initial_state, found, strict=True))
        rows = [torch.from_numpy(row) for row in state["rows"]]
        torch.testing.assert_close(rows, list(module.rows))
        assert state["numbers"].tolist() == module.numbers


@pytest.mark.parametrize("opset", EVERY)
@pytest.mark.parametrize("item", ["xs[0]", "xs[:1][0]", "xs[::2][0]", "xs[::-1][-1]"])
def test_a_list_that_holds_a_tensor_twice_in_one_branch(item: str, opset: int) -> None:
    """A write to one item reaches the other, so the list can't be read any more."""
    lines = [
        "def program(x, twice: bool):",
        "    xs = [x * 2, x + 1]",
        "    if twice:",
        "        xs.extend(xs)",
        f"    y = {item}",
    ]
    source = "\n".join(lines)
    read = torch.jit.CompilationUnit(f"{source}\n    return y, torch.stack(xs)\n").program
    check(read, (X, True), (X, False), opset_version=opset)
    lines = f"{source}\n    y.mul_(2)\n    return torch.stack(xs)\n"
    refuses(
        torch.jit.CompilationUnit(lines).program, X, True, match="may share", opset_version=opset
    )


@pytest.mark.parametrize("added", ["x", "x.clone()", "xs[0]"])
@pytest.mark.parametrize("grows", ["xs", "ys", "xs, ys"])
def test_two_lists_of_one_tensor_that_a_loop_makes_longer(grows: str, added: str) -> None:
    """What is written to an item of one is an item of the other, whichever of them grows."""
    lines = ["def program(x, n: int):", "    xs = [x * 2, x[:1] + 1]", "    ys = list(xs)"]
    lines.append("    for _ in range(n):")
    lines += [f"        {name}.append({added})" for name in grows.split(", ")]
    for written, read in (("xs", "ys"), ("ys", "xs")):
        source = "\n".join(lines)
        kept = f"{source}\n    z = {written}[0].add(1)\n    return z, {read}[0], {read}[-1]\n"
        check(torch.jit.CompilationUnit(kept).program, (X, 0), (X, 3), unroll_trips=0)
        lost = f"{source}\n    {written}[0].add_(1)\n    return {read}[0], {read}[-1]\n"
        refuses(torch.jit.CompilationUnit(lost).program, X, 3, match="may share", unroll_trips=0)

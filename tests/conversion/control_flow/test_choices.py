"""Values that the run picks: modules by index, strings, enum members, objects, a Union's members."""

# ruff: noqa: SIM108  programs as people write them

import enum
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from tests.conversion.harness import check, check_state, converted, loaded, refuses, run, script

X = torch.tensor([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])
BOTH = ((X, True), (X, False))


@torch.jit.interface
class Expert(nn.Module):
    """What each expert looks like from outside."""

    def forward(self, x: Tensor) -> Tensor:
        pass


class Scaled(nn.Module):
    def __init__(self, k: int) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) * self.k


class Cubed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x**3


class Counted(nn.Module):
    """Keeps state of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.register_buffer("total", torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.total.add_(x.sum(0))
        return x + self.calls + self.total


class ByIndex(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList([Scaled(2), Cubed(), Scaled(3)])

    def forward(self, x: Tensor, i: int) -> Tensor:
        expert: Expert = self.experts[i]
        return expert.forward(x) + expert.forward(x + 1)


@pytest.mark.parametrize("opset", [11, 20])
def test_a_module_by_a_run_time_index(opset: int) -> None:
    """Each index in range, negative ones too; out of range the model fails."""
    calls = [(X, i) for i in (0, 1, 2, -1, -3)]
    result = check(ByIndex(), *calls, opset_version=opset)
    session = loaded(result)
    for index in (3, -4):
        with pytest.raises(Exception, match="out of data bounds|out of bounds|indices"):
            run(session, (X, index))


class InALoop(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList([Scaled(2), Cubed()])

    def forward(self, x: Tensor, n: int) -> Tensor:
        for i in range(n):
            expert: Expert = self.experts[(i + 1) % 2]
            x = torch.tanh(expert.forward(x))
        return x


def test_a_module_picked_in_each_trip() -> None:
    check(InALoop(), (X, 0), (X, 1), (X, 4))


class Routed(nn.Module):
    """A mixture of experts: each row goes where its gate says."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList([Scaled(i) for i in range(4)])

    def forward(self, x: Tensor, gates: Tensor) -> Tensor:
        out = torch.zeros_like(x)
        for row in range(x.size(0)):
            i = int(gates[row].argmax())
            expert: Expert = self.experts[i]
            out[row] = expert.forward(x[row])
        return out


def test_a_module_picked_by_a_tensor() -> None:
    rows = torch.eye(4)
    calls = [(X, rows[[0, 3]]), (torch.randn(3, 3), rows[[2, 1, 2]]), (X[:0], rows[:0])]
    check(Routed(), *calls, dynamic=True)


class Stateful(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList([Counted(), Cubed(), Counted()])

    def forward(self, x: Tensor, i: int) -> Tensor:
        expert: Expert = self.experts[i]
        return expert.forward(expert.forward(x))


def test_the_picked_module_alone_changes_its_state() -> None:
    check_state(Stateful(), (X, 0), (X, 1), (X, 2), (X, 2), (X, 0))


class ByName(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleDict({"scaled": Scaled(2), "cubed": Cubed()})

    def forward(self, x: Tensor, cubed: bool) -> Tensor:
        name = "scaled"
        if cubed:
            name = "cubed"
        expert: Expert = self.experts[name]
        return expert.forward(x)


def test_a_module_by_a_name_that_a_branch_decides() -> None:
    check(ByName(), *BOTH)


# ---------------------------------------------------------------- strings and enums


def test_strings() -> None:
    def program(x: Tensor, n: int) -> tuple[Tensor, int, bool]:
        mode = "sum"
        if n == 0:
            mode = "max"
        elif n == 1:
            mode = "mean"
        known = {"sum": x.sum(), "max": x.max() * 2, "mean": x.mean()}
        label = "reduce_" + mode.upper()
        if mode == "mean":
            x = x - 1
        elif mode in ["max", "min"]:
            x = x * 2
        return x + known[mode], len(label), label.endswith("M")

    result = check(program, (X, 0), (X, 1), (X, 2))
    assert result.report.node_count < 60


def test_strings_joined() -> None:
    def program(x: Tensor, hard: bool) -> Tensor:
        name = ",".join(["hard" if hard else "soft", "max"])
        return x + 1 if name == "hard,max" else x * len(name)

    check(program, *BOTH)


def test_a_string_that_must_be_one_of_those_known() -> None:
    """The branch that raises is dropped for what can't get there."""

    def program(x: Tensor, c: bool) -> Tensor:
        mode = "max" if c else "mean"
        if mode == "max":
            return x.max()
        if mode == "mean":
            return x.mean()
        raise ValueError("bad mode " + mode)

    check(program, *BOTH)


def test_a_string_carried_by_a_loop() -> None:
    def program(x: Tensor, n: int) -> Tensor:
        mode = "double"
        for i in range(n):
            if mode == "double":
                x = x * 2
                mode = "add"
            else:
                x = x + i
                mode = "double" if i > 2 else "last"
        return x + len(mode)

    check(program, (X, 0), (X, 1), (X, 2), (X, 6))


class Kind(enum.Enum):
    """Two kinds."""

    A = "first"
    B = "second one"


def test_enum_members() -> None:
    def program(x: Tensor, c: bool) -> tuple[Tensor, int]:
        kind = Kind.A if c else Kind.B
        if kind == Kind.A:
            x = x + 1
        return x, len(kind.value) + len(kind.name)

    check(program, *BOTH)


class Moded(nn.Module):
    """A string is state."""

    def __init__(self) -> None:
        super().__init__()
        self.mode = "first"

    def forward(self, x: Tensor, c: bool) -> Tensor:
        if self.mode == "first":
            x = x * 2
        elif self.mode == "third":
            x = x - 5
        if c:
            self.mode = "third" if self.mode == "second" else "second"
        return x


def test_a_string_as_state() -> None:
    """Its number is what the model keeps."""
    module = Moded()
    result = converted(script(module), (X, True))
    session = loaded(result)
    state = list(result.initial_state.values())
    for c in (False, True, True, True, False):
        expected = module(X, c)
        found, *state = run(session, (X, c, *state))
        torch.testing.assert_close(torch.from_numpy(found), expected)


def test_a_string_that_is_returned() -> None:
    def program(x: Tensor, c: bool) -> tuple[Tensor, str]:
        return x, "yes" if c else "no"

    refuses(program, X, True, match="the output output_1 is 'yes' or 'no', depending on the data")


# ---------------------------------------------------------------- objects


@torch.jit.script
class Total:
    def __init__(self, value: float) -> None:
        self.value = value

    def add(self, more: float) -> float:
        self.value += more
        return self.value


@torch.jit.interface
class Step:
    """What both kinds of step can do."""

    def apply(self, x: Tensor) -> Tensor:
        pass


@torch.jit.script
class Shift:
    def __init__(self, by: float) -> None:
        self.by = by

    def apply(self, x: Tensor) -> Tensor:
        return x + self.by


@torch.jit.script
class Grow:
    def __init__(self, by: float) -> None:
        self.by = by

    def apply(self, x: Tensor) -> Tensor:
        self.by += 1.0
        return x * self.by


def test_an_object_of_two_is_changed() -> None:
    """A method of either object changes that one, not a copy."""

    def program(x: float, c: bool) -> tuple[float, float, float]:
        a, b = Total(x), Total(x * 10)
        picked = a if c else b
        picked.add(100.0)
        return a.value, b.value, picked.value

    check(program, (1.0, True), (2.0, False))


def test_an_object_of_two_classes() -> None:
    def program(x: Tensor, c: bool) -> Tensor:
        a: Step = Shift(2.0)
        b: Step = Grow(3.0)
        step = a if c else b
        return b.apply(step.apply(x))

    check(program, *BOTH)


def test_objects_by_a_run_time_index() -> None:
    def program(x: Tensor, n: int) -> tuple[Tensor, float, float]:
        steps: list[Step] = []
        steps.append(Shift(1.0))
        steps.append(Grow(2.0))
        for i in range(n):
            x = steps[i % 2].apply(x)
        totals = [Total(1.0), Total(2.0)]
        totals[n % 2 - 1].add(10.0)
        return x, totals[0].value, totals[1].value

    check(program, (X, 0), (X, 1), (X, 4))


class Pair(NamedTuple):
    """A tensor with its factor."""

    x: Tensor
    k: float


def test_tuples_and_lists_by_a_run_time_index() -> None:
    def program(x: Tensor, i: int) -> tuple[Tensor, int, int]:
        pairs = [Pair(x, 1.0), Pair(x + 1, 2.5)]
        names = ["a", "bcd"]
        nested = [[1, 2], [3, 4]]
        x, k = pairs[i]
        return x * k, len(names[i]), nested[i][1]

    check(program, (X, 0), (X, 1), (X, -2))


def test_an_absent_object() -> None:
    def program(x: float, n: int) -> tuple[float, float, float]:
        a, b = Total(x), Total(x * 10)
        picked: Total | None = None
        if n == 1:
            picked = a
        elif n == 2:
            picked = b
        if picked is not None:
            picked.add(5.0)
        return a.value, b.value, 0.0 if picked is None else picked.value

    check(program, (1.0, 0), (1.0, 1), (1.0, 2))


@torch.jit.script
class Path:
    """Steps and what they are worth."""

    def __init__(self, steps: Tensor, worth: Tensor) -> None:
        self.steps = steps
        self.worth = worth

    def along(self, step: int, worth: Tensor) -> "Path":
        return Path(torch.cat([self.steps, torch.tensor([step])]), self.worth + worth)

    def __lt__(self, other: "Path") -> bool:
        return bool(self.worth < other.worth)


ROWS = torch.tensor([[1.0, -2.0], [0.5, 4.0], [3.0, -1.0], [-2.0, -0.5]])
SOME_ROWS = [(ROWS,), (ROWS[:1],), (ROWS[1:3],), (ROWS[:0],)]


@pytest.mark.parametrize("opset", [13, 20])
def test_a_loop_keeps_the_best_of_the_objects_that_it_makes(opset: int) -> None:
    """In a variable, in a list and in what may be None; the kept one is made longer, too."""

    def program(x: Tensor):
        best = Path(torch.tensor([0]), torch.tensor(0.0))
        kept = [best]
        first: Path | None = None
        for t in range(x.size(0)):
            new = Path(torch.tensor([t]), x[t].sum())
            if best < new:
                best = new
            left, right = kept[0].along(t, x[t][0]), kept[0].along(-t, x[t][1])
            if left < right:
                kept[0] = right
            else:
                kept[0] = left
            if first is None or new < first:
                first = new
        lowest = torch.tensor(0.0) if first is None else first.worth
        return best.steps, best.worth, kept[0].steps, kept[0].worth, lowest

    check(program, *SOME_ROWS, dynamic=True, opset_version=opset)


def test_the_best_of_a_loop_under_another_name() -> None:
    """What is kept may be `other`: changing it and asking that one is refused."""

    def program(x: Tensor):
        best = Path(torch.tensor([0]), torch.tensor(0.0))
        other = best
        for t in range(x.size(0)):
            left, right = best.along(t, x[t][0]), best.along(-t, x[t][1])
            other = left
            best = right if left < right else left
        best.worth = best.worth + 100.0
        return best.worth, other.worth

    refuses(program, ROWS, match="may be another one, which was changed", unroll_trips=0)


# ---------------------------------------------------------------- unions


def test_a_union_that_a_branch_decides() -> None:
    def program(x: Tensor, n: int) -> Tensor:
        value: int | str | Tensor = n
        if n > 1:
            value = x
        elif n < 0:
            value = "text"
        if isinstance(value, str):
            return x + len(value)
        if isinstance(value, Tensor):
            return x * value
        return x - value

    check(program, (X, 1), (X, 2), (X, -1))


def test_an_int_and_a_float_of_a_union() -> None:
    """They stay what they are, in a branch and in a loop."""

    def program(x: Tensor, n: int) -> tuple[Tensor, Tensor]:
        value: int | float = n
        if n > 2:
            value = 2.5
        last: int | float = n
        for i in range(n):
            if i == 1:
                last = 0.5
        x = x * value if isinstance(value, float) else x + 100
        return x, x * last if isinstance(last, float) else x - 1

    check(program, (X, 1), (X, 3), (X, 0), (X, 2))


def how_big(value: Any) -> int:
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        return len(value)
    return -1


def test_any_that_a_branch_decides() -> None:
    def program(x: Tensor, n: int) -> int:
        value: int | str = n
        if n > 1:
            value = "four"
        return how_big(value)

    check(program, (X, 1), (X, 2))

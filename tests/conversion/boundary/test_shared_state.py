"""State that several methods share: a model of each, and what one leaves goes into another."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import exporter
from exporter import InputError, TensorSpec, UnsupportedError
from tests.conversion.harness import check_state, leaves, loaded, refuses, script


class Memory(nn.Module):
    """One method writes, one only reads, one starts again."""

    last: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.zeros(3))
        self.count = 0
        self.last = None
        self.pair = (torch.zeros(3), 0.5)

    def forward(self, x: Tensor) -> Tensor:
        self.total += x
        self.count += 1
        self.last = x * 2
        self.pair = (x, self.pair[1] * 2)
        return self.total

    @torch.jit.export
    def recall(self, x: Tensor) -> Tensor:
        last = self.last
        if last is None or self.count == 0:
            return x
        return x + last + self.total / self.count + self.pair[0] * self.pair[1]

    @torch.jit.export
    def reset(self) -> None:
        self.total = torch.zeros(3)
        self.count = 0
        self.last = None
        self.pair = (torch.zeros(3), 0.5)


VECTOR = TensorSpec("float32", (3,))
DECLARED = {
    "total": VECTOR,
    "count": TensorSpec("int64", ()),
    "last": VECTOR,
    "pair.0": VECTOR,
    "pair.1": TensorSpec("float64", ()),
}
NAMES = ["total", "count", "last.present", "last", "pair.0", "pair.1"]


def call(session: Any, x: Tensor | None, state: dict[str, Any]) -> list[Any]:
    """The results; what a method leaves replaces the state of its name."""
    feeds = {} if x is None else {"x": x.numpy()}
    names = [port.name for port in session.get_outputs()]
    found = dict(zip(names, session.run(None, feeds | state), strict=True))
    state.update({name: found.pop(f"{name}_out") for name in state})
    return list(found.values())


def test_methods_in_turns() -> None:
    """What is declared is state of a method that only reads it, or leaves what was there."""
    scripted = script(Memory())
    sessions, state = {}, {}
    for method in ("forward", "recall", "reset"):
        args = () if method == "reset" else (VECTOR,)
        result = exporter.export(scripted, args, method=method, state=DECLARED)
        assert list(result.initial_state) == NAMES
        sessions[method], state = loaded(result), dict(result.initial_state)
    reference = copy.deepcopy(scripted)
    turns = ["recall", "forward", "recall", "forward", "forward", "recall", "reset", "recall"]
    for number, method in enumerate([*turns, *turns]):
        x = None if method == "reset" else torch.full((3,), number / 2 + 1)
        wanted = list(leaves(getattr(reference, method)(*(() if x is None else (x,)))))
        found = call(sessions[method], x, state)
        for a, b in zip(wanted, found, strict=True):
            np.testing.assert_allclose(b, a.detach(), rtol=1e-6, err_msg=f"{method}, turn {number}")


def test_what_is_not_declared_is_a_constant() -> None:
    """A method that only reads an attribute takes the archived value."""
    result = exporter.export(script(Memory()), (VECTOR,), method="recall")
    assert result.initial_state == {}
    assert not result.report.operators or set(result.report.operators) == {"Identity"}


@pytest.mark.parametrize(
    ("state", "match"),
    [
        ({"sum": VECTOR}, "there is no state 'sum'"),
        ({"total": TensorSpec("float64", (3,))}, "declared float64.*float32 of"),
        ({"count": TensorSpec("float32", ())}, r"declared float32\[\], but .* number: int64"),
        ({"count": TensorSpec("int64", (1,))}, r"declared int64\[1\], but .* number: int64"),
    ],
)
def test_declared_wrongly(state: dict[str, TensorSpec], match: str) -> None:
    with pytest.raises(InputError, match=match):
        exporter.export(script(Memory()), (VECTOR,), method="recall", state=state)


def test_frozen_and_declared() -> None:
    with pytest.raises(InputError, match="freeze_state leaves no state"):
        exporter.export(script(Memory()), (VECTOR,), state={"total": VECTOR}, freeze_state=True)


class Partly(nn.Module):
    """Of a tuple that may be absent, only the number changes."""

    held: tuple[Tensor, int] | None

    def __init__(self) -> None:
        super().__init__()
        self.held = None

    def forward(self, x: Tensor) -> Tensor:
        held = self.held
        if held is None:
            held = (x, 0)
        self.held = (held[0], held[1] + 1)
        return held[0] * held[1]


def test_a_part_that_stays_in_what_may_be_absent() -> None:
    """It travels with the rest."""
    result = exporter.export(script(Partly()), (VECTOR,))
    session, state = loaded(result), dict(result.initial_state)
    reference = script(Partly())
    for x in (torch.ones(3), torch.rand(3), torch.rand(3)):
        (found,) = call(session, x, state)
        np.testing.assert_allclose(found, reference(x), rtol=1e-6)


class Views(nn.Module):
    """Two views of one storage, both attributes."""

    def __init__(self, start: int) -> None:
        super().__init__()
        storage = torch.zeros(6)
        self.register_buffer("low", storage[:3])
        self.register_buffer("high", storage[start : start + 3])

    def forward(self, x: Tensor) -> Tensor:
        self.low += x
        return self.high * 2


@pytest.mark.parametrize("freeze", [False, True])
def test_views_of_one_storage(freeze: bool) -> None:
    """Writing to one would be seen in the other, unless they lie apart."""
    with pytest.raises(UnsupportedError, match="low is written, and it shares memory with high"):
        exporter.export(script(Views(1)), (VECTOR,), freeze_state=freeze)
    result = exporter.export(script(Views(3)), (VECTOR,), freeze_state=freeze)
    assert list(result.initial_state) == ([] if freeze else ["low"])


class Aliased(nn.Module):
    """On one path an attribute becomes another name of a second one, which each call writes."""

    def __init__(self) -> None:
        super().__init__()
        self.total = torch.zeros(3)
        self.kept = torch.ones(3)

    def forward(self, x: Tensor, keep: bool) -> Tensor:
        self.total += x
        if keep:
            self.kept = self.total
        return self.kept * 2


class OneList(nn.Module):
    """The same with lists."""

    a: list[int]
    b: list[int]

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = [1], [2]

    def forward(self, x: Tensor, keep: bool) -> Tensor:
        if keep:
            self.a = self.b
        self.b.append(3)
        return x * len(self.a)


class Twice(nn.Module):
    """A list of another length, in which one tensor is twice."""

    rows: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.rows = [torch.ones(3)]

    def forward(self, x: Tensor, _: bool) -> Tensor:
        rows = self.rows
        rows[0].add_(1)
        self.rows = [x, x]
        return torch.stack(rows).sum(0)


class FromTheStart(nn.Module):
    """One tensor of two names in the archive, until a call changes that."""

    def __init__(self) -> None:
        super().__init__()
        self.a = torch.zeros(3)
        self.b = self.a

    def forward(self, x: Tensor, apart: bool) -> Tensor:
        self.b += x
        found = self.a * 2
        if apart:
            self.a = x
        return found


class Shifted(nn.Module):
    """The names change on all paths, before anybody asks."""

    def __init__(self) -> None:
        super().__init__()
        self.new, self.old = torch.ones(3), torch.zeros(3)

    def forward(self, x: Tensor, keep: bool) -> Tensor:
        before = self.old + x
        self.new += x
        self.old = self.new
        return before + self.old


class Absent(nn.Module):
    """What may be None on one path does not tie what it is beside."""

    held: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.total = torch.zeros(3)
        self.held = None

    def forward(self, x: Tensor, keep: bool) -> Tensor:
        self.total += x
        if keep:
            self.held = x.clone()
        held = self.held
        return self.total if held is None else held + self.total


class Ring(nn.Module):
    """Tensors written in turns, each put back where it was."""

    rows: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.rows = [torch.zeros(3), torch.ones(3)]
        self.turn = 0

    def forward(self, x: Tensor, _: bool) -> Tensor:
        self.rows[self.turn % 2] += x
        self.turn += 1
        return self.rows[0] - self.rows[1]


@pytest.mark.parametrize("module", [Aliased, OneList, Twice, FromTheStart])
def test_what_may_be_another_attribute_in_the_next_call(module: type[nn.Module]) -> None:
    refuses(module(), torch.ones(3), True, match="may (share memory|be another)")


def test_names_that_change_before_anybody_asks() -> None:
    calls = [(torch.tensor([float(k), 1.0, 2.0]), k % 2 == 0) for k in range(4)]
    check_state(Shifted(), *calls)
    check_state(Ring(), *calls)
    result = exporter.export(script(Absent()), calls[0])
    session, state = loaded(result), dict(result.initial_state)
    reference = Absent()
    for x, keep in calls:
        names = [port.name for port in session.get_outputs()]
        given = {"x": x.numpy(), "keep": np.asarray(not keep), **state}
        found = dict(zip(names, session.run(None, given), strict=True))
        np.testing.assert_allclose(found[names[0]], reference(x, not keep))
        state = {name: found[f"{name}_out"] for name in state}


class Adopting(nn.Module):
    """From its second call on one attribute is another one, which no call replaces."""

    table: dict[str, Tensor]

    def __init__(self, *, in_place: bool) -> None:
        super().__init__()
        self.kept = torch.ones(3)
        self.table = {"b": torch.zeros(3)}
        self.in_place = in_place

    def forward(self, x: Tensor) -> Tensor:
        before = self.kept
        self.kept = self.table["b"]
        if self.in_place:
            before.add_(x)
        return self.table["b"] + x * before


def test_state_that_is_an_attribute_that_stays() -> None:
    """What is written to one would be written to the other, which is a constant of the model."""
    check_state(Adopting(in_place=False), *[(torch.ones(3) * i,) for i in (1, 2, 3)])
    refuses(script(Adopting(in_place=True)), torch.ones(3), match="may share memory")


@pytest.mark.parametrize("value", [1.0, 2.0])
def test_an_item_that_becomes_another_attribute_of_equal_value(value: float) -> None:
    """From the second call on, what is written to the item is written to the other one."""

    class Module(nn.Module):
        def __init__(self):
            super().__init__()
            self.kept = torch.ones(2)
            self.items_ = [torch.full((2,), value)]

        def forward(self, x):
            self.items_[0].add_(1)
            self.items_[0] = self.kept
            return x + self.kept

    refuses(Module(), torch.ones(2), match="may share memory")

"""Dicts whose keys are known, asked for keys of the run."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.conversion.harness import check, converted, loaded, run, script

X = torch.tensor([1.0, -2.0, 3.0])


def test_an_entry() -> None:
    def program(x: Tensor, n: int) -> Tensor:
        entries = {1: x, 7: x * 2, -3: x + 5}
        return entries[n]

    check(program, (X, 1), (X, 7), (X, -3))
    session = loaded(converted(script(program), (X, 1)))
    with pytest.raises(Exception, match="out of data bounds|out of bounds|indices"):
        run(session, (X, 2))


def test_asking_before() -> None:
    def program(x: Tensor, n: int) -> tuple[Tensor, bool, int]:
        entries = {1: x, 2: x + 1}
        counts = {0: 10, 1: 20}
        found = x * 0
        if n in entries:
            found = entries[n]
        return found, n not in counts, counts.get(n, -1)

    check(program, (X, 1), (X, 2), (X, 7), (X, 0))


def test_float_keys() -> None:
    def program(x: Tensor, v: float) -> Tensor:
        return {0.5: x, 2.0: -x}[v] if v > 0 else x * 0

    check(program, (X, 0.5), (X, 2.0), (X, -1.0))


def test_an_entry_that_is_known_to_be_there_is_set() -> None:
    """The program has read it, has asked for it, or the key is in a range that is all entered."""

    def program(x: Tensor, n: int) -> tuple[int, Tensor, list[int], float]:
        counts = {k: 0 for k in range(4)}
        sums = {1: x, 7: x * 2}
        for i in range(x.size(0)):
            counts[int(x[i].abs())] += i + 1
        if n in sums:
            sums[n] = sums[n] + 1
        last = {0: 0, 1: 0, 2: 0}
        for i in range(n):
            last[i % 3] = i
        weights = {1: 0.5, 2: 1.5}
        if n in weights:
            weights[n] *= 2.0
        return counts[1], sums[1] + sums[7], list(last.values()), weights[1] + weights[2]

    calls = [(X[:size], n) for size in (3, 1, 0) for n in (1, 7, 2, 0)]
    check(program, *calls, dynamic=True)
    check(program, *calls, dynamic=True, unroll_trips=0)


def test_a_tensor_that_is_set_for_one_of_several_keys() -> None:
    """What is written to it afterwards is in the dict, too."""

    def program(x: Tensor, n: int) -> list[Tensor]:
        entries = {1: x + 1, 2: x + 2}
        if n in entries:
            new = x * 3
            entries[n] = new
            new += 10
        return list(entries.values())

    check(program, (X, 1), (X, 2), (X, 3))


def test_the_first_item_is_popped() -> None:
    def program(x: Tensor, n: int) -> tuple[tuple[str, int], int]:
        entries = {"a": n, "b": 2}
        return entries.popitem(), len(entries)

    check(program, (X, 1), (X, 5), reference="script")


def kind(value: Any) -> int:
    """Which type a dict has."""
    if torch.jit.isinstance(value, dict[str, Tensor]):
        return 1
    if torch.jit.isinstance(value, dict[str, int]):
        return 2
    return 3 if torch.jit.isinstance(value, dict[int, int]) else 4


def test_types() -> None:
    def program(x: Tensor, n: int) -> list[int]:
        empty: dict[str, int] = {}
        mixed: dict[str, Any] = {"a": n}
        return [
            kind({"a": x}),
            kind({"a": n}),
            kind({1: n}),
            kind(empty),
            kind(mixed),
            kind({1.5: n}),
        ]

    check(program, (X, 1), (X, 5), reference="script")

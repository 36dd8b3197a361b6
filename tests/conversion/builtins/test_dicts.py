"""Dicts whose keys are known, asked for keys of the run."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.conversion.harness import check, converted, loaded, refuses, run, script

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


def test_a_key_that_may_be_new() -> None:
    def program(x: Tensor, n: int) -> Tensor:
        entries = {1: x}
        entries[n] = x * 2
        return entries[1]

    refuses(program, X, 3, match="a dict key that is only known at run time")


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

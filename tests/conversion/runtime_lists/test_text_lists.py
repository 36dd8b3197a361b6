"""Lists of strings whose length is only known at run time."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.conversion.harness import check, check_loop, refuses

X = torch.tensor([1.0, -2.0, 3.0, 0.5])
TRIPS = tuple((X, n) for n in (3, 0, 1, 4))


def numbered(names: list[str]) -> int:
    total = 0
    for name in names:
        total = total * 4 + (1 if name == "up" else 2 if name == "down" else 3)
    return total


def test_grown() -> None:
    """Strings that are known, and that the run picks."""

    def program(x: Tensor, n: int):
        names: list[str] = []
        for i in range(n):
            if bool(x[i] > 0):
                names.append("up")
            else:
                names.append("down")
        words = names + ["end", "up"]
        words.insert(1, "down" if n > 2 else "end")
        words[0] = "end"
        first = words.pop(1)
        lengths = 0
        for word in words:
            lengths = lengths * 7 + len(word)
        return numbered(words), len(words), first == "down", lengths

    check_loop(program, *TRIPS)


def test_asked() -> None:
    def program(x: Tensor, n: int):
        names: list[str] = ["up"]
        for i in range(n):
            names.append("up" if bool(x[i] > 0) else "down")
        ordered = sorted(names)
        backwards = names[::-1]
        return (
            names.count("up"), "down" in names, "other" in names, names.index("up"),
            numbered(ordered), numbered(backwards), names == backwards, names == ordered,
            numbered(names[1:] * 2), names[-1] == "up",
        )  # fmt: skip

    check_loop(program, *TRIPS)


def test_of_branches() -> None:
    def program(x: Tensor, n: int):
        names = ["up", "down"]
        if n > 2:
            names.append("end")
        elif n > 1:
            names = ["down"]
        return numbered(names), len(names[n - 3]), "end" in names

    check(program, (X, 3), (X, 2), (X, 1))


def test_slices_of_known_ones() -> None:
    def program(x: Tensor, n: int):
        names = ["up", "down", "end"]
        return numbered(names[:n]), numbered(names * n), names[n - 1] == "down"

    check(program, (X, 3), (X, 2), (X, 1))


def test_known_ones_stay_known() -> None:
    """A loop of known trips whose strings are joined is unrolled, however long."""

    def program(x: Tensor):
        names: list[str] = []
        for i in range(40):
            names.append("a" if i % 2 == 0 else "bc")
        return x + len(",".join(names))

    check(program, (X,), unroll_trips=10)


def test_refused() -> None:
    """What would need operators on strings."""

    def joined(x: Tensor, n: int):
        names: list[str] = []
        for _ in range(n):
            names.append("a")
        return len(",".join(names))

    def result(x: Tensor, n: int):
        names: list[str] = []
        for _ in range(n):
            names.append("a")
        return names

    refuses(joined, X, 99, match="a list of strings whose length depends on the data")
    refuses(result, X, 99, match="a list of strings whose length depends on the data")

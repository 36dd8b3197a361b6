"""Expressions over sizes."""

from __future__ import annotations

from time import perf_counter

from exporter.onnx_graph.symbolic import MAX_TEXT, Dim, Symbol, SymInt


def test_shared_parts() -> None:
    """An expression that holds the one before twice is written in the time of its depth."""

    def deep(name: str) -> Dim:
        n = SymInt.of(Symbol(name))
        size: Dim = n
        for _ in range(60):
            size = (size * n + 7) // 3 * (size - 1)
        return size

    started = perf_counter()
    text = str(deep("n"))
    assert perf_counter() - started < 1
    assert len(text) < 10 * MAX_TEXT
    assert text == str(deep("n"))
    assert text != str(deep("m"))


def test_text() -> None:
    """Sizes are written as one would, terms in the order of their names, numbers last."""
    n, m = SymInt.of(Symbol("n")), SymInt.of(Symbol("m"))
    assert str(3 + n * m * 2 - m) == "-m + 2*m*n + 3"
    assert str((n + 1) // 2) == "((n + 1) // (2))"

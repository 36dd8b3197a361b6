"""Expressions over sizes."""

from __future__ import annotations

from time import perf_counter

from exporter.onnx_graph.symbolic import (
    MAX_TEXT,
    Dim,
    Symbol,
    SymInt,
    is_ge,
    refreshed,
    resolved,
    sym_max,
    sym_min,
)


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


def test_shared_parts_are_looked_at_once() -> None:
    """What is nested forty deep, each level twice in the next, has 2**40 paths through it."""
    n = SymInt.of(Symbol("n"))
    value: Dim = n
    for i in range(40):
        value = sym_min(sym_max(value - i - 1, 0) + value // 2, value)
    assert isinstance(value, SymInt)
    assert is_ge(value, 0) is True
    (symbol,) = n.symbols()
    assert value.with_values({symbol: 0}) == 0


def test_bound_of_symbol() -> None:
    """Through sums, multiples and windows; None of what says no such thing."""
    n, m = Symbol("n"), Symbol("m")
    size: Dim = SymInt.of(n)
    for expression, lower, least in [
        (size + 2, 1, -1),
        (2 * size - 3, 2, 3),
        ((size - 3) // 2 + 1, 1, 3),
        (((size - 1) // 2 + 1 - 5) // 3 + 1, 1, 9),
    ]:
        assert isinstance(expression, SymInt)
        assert expression.bound_of_symbol(lower) == (n, least)
    for expression in (-size, size * size, size + SymInt.of(m), 7 // size, sym_max(size, 3)):
        assert isinstance(expression, SymInt)
        assert expression.bound_of_symbol(1) is None


def test_bounds_of_remainders() -> None:
    n = SymInt.of(Symbol("n"))
    assert is_ge(n % 3, 0) is True
    assert is_ge(2, n % 3) is True
    assert is_ge((n - 1) % 3 + 4, 4) is True
    assert is_ge(n % 3, 1) is None
    assert is_ge(3, n % 3 + 1) is True
    assert is_ge(n % 3, 3) is False
    assert is_ge(n - 2 * (n // 3), 0) is None
    assert is_ge(1, n - 2 * (n // -2)) is None


def test_extremes_of_what_may_be_equal() -> None:
    """The first thirty of n + 30 rows are thirty, also where n is 0."""
    n = SymInt.of(Symbol("n"))
    for pair in [(30, n + 30), (n + 30, 30)]:
        assert sym_min(*pair) == 30
        assert sym_max(*pair) == n + 30
    assert isinstance(sym_min(n, 30), SymInt)


def test_what_is_beside_an_extreme() -> None:
    """A minimum is none of its arguments' better, whatever they are; nor is a maximum worse."""
    n, m = SymInt.of(Symbol("n")), SymInt.of(Symbol("m"))
    assert is_ge(n, sym_min(n, m)) is True
    assert is_ge(sym_max(n, m) + 1, m) is True
    assert is_ge(sym_min(n, m), m + 1) is False
    assert is_ge(sym_min(n, m), m) is None
    assert is_ge(2 * n, 2 * sym_min(n, m)) is True
    assert is_ge(sym_min(n + 3, m + 2), sym_min(n, m) + 2) is True
    assert is_ge(sym_min(n, m) + n, m) is None


def test_nested_extremes() -> None:
    """An extreme of an extreme and one of its arguments is the inner one."""
    n, m = SymInt.of(Symbol("n")), SymInt.of(Symbol("m"))
    for other in (m, 64):
        least, most = sym_min(n, other), sym_max(n, other)
        assert sym_min(least, other) == sym_min(other, least) == sym_min(least, n) == least
        assert sym_max(most, other) == sym_max(other, most) == sym_max(n, most) == most
        assert sym_max(least, n) == sym_min(most, n) == n


def test_limit_of_symbol() -> None:
    """n = min(n, 64) says that n is 64 at most."""
    n, m = Symbol("n"), Symbol("m")
    least = sym_min(SymInt.of(n), 64)
    assert isinstance(least, SymInt)
    assert least.limit_of(n) == 64
    for other in (sym_min(SymInt.of(m), 64), sym_max(SymInt.of(n), 64), 2 * least):
        assert isinstance(other, SymInt)
        assert other.limit_of(n) is None


def test_sizes_that_are_others() -> None:
    """What is known of a symbol may be about another that something is known of."""
    n, m = Symbol("n"), Symbol("m")
    n.values = (SymInt.of(m) + 1,)
    m.values = (4,)
    assert resolved(SymInt.of(n) * 2) == 10


def test_relations() -> None:
    """What is known of two sizes together says more of others that are made of them."""
    n, m = Symbol("n"), Symbol("m")
    size, other = SymInt.of(n), SymInt.of(m)
    chunk = sym_max(sym_min(size, other + 5) - other, 0)
    assert is_ge(chunk, 1) is None
    relation = size - other - 1
    assert isinstance(relation, SymInt)
    n.relations = m.relations = (relation,)
    assert is_ge(size, other + 1) is True
    assert is_ge(other, size) is False
    assert is_ge(chunk, 1) is True
    assert is_ge(chunk, 2) is None


def test_refreshed() -> None:
    """An expression that was made before is as one that is made now."""
    n = Symbol("n")
    stride = sym_max(SymInt.of(n), 1) * 2
    n.lower = 1
    assert stride != 2 * SymInt.of(n)
    assert refreshed(stride) == 2 * SymInt.of(n)
    assert refreshed(3) == 3

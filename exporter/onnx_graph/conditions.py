"""What a bool of run time says about integers, so that a branch on it can know that.

A `Condition` is a formula over integer expressions. It is decided, as far as it can be, for given
values of some symbols: `decide(Zero(n - 3), {n: 5})` is False.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from exporter.onnx_graph.symbolic import Dim, Symbol, SymInt, is_ge, resolved

__all__ = ["And", "Condition", "Flag", "NonNegative", "Not", "Or", "Zero", "decide", "symbols_of"]


@dataclass(frozen=True)
class Zero:
    """`value == 0`."""

    value: Dim


@dataclass(frozen=True)
class NonNegative:
    """`value >= 0`."""

    value: Dim


@dataclass(eq=False)
class Flag:
    """A bool of the run that is about no integers; `known` is its value where a branch tells it."""

    known: bool | None = None


@dataclass(frozen=True)
class Not:
    """The opposite."""

    inner: Condition


@dataclass(frozen=True)
class And:
    """Both; None stands for what is not known."""

    left: Condition | None
    right: Condition | None


@dataclass(frozen=True)
class Or:
    """At least one; None stands for what is not known."""

    left: Condition | None
    right: Condition | None


Condition: TypeAlias = Zero | NonNegative | Flag | Not | And | Or


def decide(condition: Condition | None, values: Mapping[Symbol, Dim]) -> bool | None:
    """Whether a condition holds for these values of symbols; None where that can't be told."""
    if condition is None:
        return None
    if isinstance(condition, Not):
        inner = decide(condition.inner, values)
        return None if inner is None else not inner
    if isinstance(condition, (And, Or)):
        sides = decide(condition.left, values), decide(condition.right, values)
        decisive = isinstance(condition, Or)
        if decisive in sides:
            return decisive
        return None if None in sides else not decisive
    if isinstance(condition, Flag):
        return condition.known
    value = condition.value
    if isinstance(value, SymInt):
        value = resolved(value.with_values(values))
    if isinstance(condition, NonNegative):
        return is_ge(value, 0)
    if isinstance(value, int):
        return value == 0
    return False if is_ge(value, 1) or is_ge(-value, 1) else None


def symbols_of(condition: Condition | None) -> set[Symbol]:
    """The symbols that a condition is about."""
    if condition is None:
        return set()
    if isinstance(condition, Not):
        return symbols_of(condition.inner)
    if isinstance(condition, (And, Or)):
        return symbols_of(condition.left) | symbols_of(condition.right)
    if isinstance(condition, Flag):
        return set()
    return condition.value.symbols() if isinstance(condition.value, SymInt) else set()

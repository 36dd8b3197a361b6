"""What the builder learns of sizes, and tells to whoever knows for how long it holds.

An operator that is emitted says something of its sizes, for the program fails otherwise: a product
that two are equal, an index that one is larger. In a branch that holds in the branch.
"""

from __future__ import annotations

from typing import Protocol

from exporter.onnx_graph.symbolic import Dim, Symbol, SymInt, is_ge

__all__ = ["SizeFacts", "learn_at_least"]


class SizeFacts(Protocol):
    """Keeps what is known of sizes (see `conversion/control_flow/facts.py`)."""

    def bound(self, symbol: Symbol, lower: int | None, upper: int | None) -> None:
        """A symbol is within these bounds; None is none."""

    def settle(self, symbol: Symbol, value: Dim) -> None:
        """A symbol is this."""

    def relate(self, value: Dim) -> None:
        """An expression is not negative."""


def learn_at_least(facts: SizeFacts | None, value: Dim, lower: int) -> None:
    """An integer is no less than a number: a bound of its symbol, or a relation of several."""
    if facts is None or not isinstance(value, SymInt):
        return
    bound = value.bound_of_symbol(lower)
    if bound is not None:
        facts.bound(*bound, None)
    elif not is_ge(value, lower):
        facts.relate(value - lower)

"""What a derivative rule is given, and where rules are registered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder
    from exporter.onnx_graph.call import Call

__all__ = [
    "Rule",
    "Step",
    "derivative",
    "derivative_of_results",
    "find_rule",
]


class Step:
    """One node of the graph, as tensors: the call, what it gave, whose gradients are wanted."""

    __slots__ = ("call", "results", "wanted")

    def __init__(self, call: Call, results: Sequence[Tensor], wanted: Sequence[bool]) -> None:
        self.call = call
        self.results = results
        self.wanted = wanted

    def __getitem__(self, index: int) -> Tensor:
        """An input that must be there."""
        return self.call.tensor(index)

    def optional(self, index: int) -> Tensor | None:
        """An input that may be absent."""
        return self.call.optional(index)

    def wants(self, index: int) -> bool:
        """Whether somebody asks for the gradient of an input."""
        return index < len(self.wanted) and self.wanted[index]

    @property
    def result(self) -> Tensor:
        """The first output."""
        return self.results[0]

    def attribute(self, name: str, default: Any) -> Any:
        """An attribute, or what ONNX says it is when it is absent."""
        value = self.call.attributes.get(name)
        return default if value is None else value

    def integers(self, index: int, name: str) -> list[Dim] | None:
        """Ints that are an input at some opsets and an attribute at others."""
        return self.call.integers(index, name)


# The gradients of a node's outputs (None: zero) to those of its inputs (None: no gradient).
Rule = Callable[["Builder", Step, "Sequence[Tensor | None]"], "Sequence[Tensor | None]"]
OneResult = Callable[["Builder", Step, Tensor], "Sequence[Tensor | None]"]
_RULES: dict[str, Rule] = {}


def derivative(*op_types: str) -> Callable[[OneResult], OneResult]:
    """Register the rule of operators of which only the first output has a gradient."""

    def register(function: OneResult) -> OneResult:
        def rule(g: Builder, step: Step, grads: Sequence[Tensor | None]) -> Sequence[Tensor | None]:
            return [] if grads[0] is None else function(g, step, grads[0])

        _RULES.update(dict.fromkeys(op_types, rule))
        return function

    return register


def derivative_of_results(*op_types: str) -> Callable[[Rule], Rule]:
    """Register the rule of operators with several outputs that have gradients."""

    def register(function: Rule) -> Rule:
        _RULES.update(dict.fromkeys(op_types, function))
        return function

    return register


def find_rule(op_type: str) -> Rule | None:
    """The rule of an operator."""
    return _RULES.get(op_type)

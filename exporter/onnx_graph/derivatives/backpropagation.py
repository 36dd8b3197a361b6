"""Gradients of values in the graph: the chain rule, node by node, from the results back.

The nodes that lead from the inputs to the outputs are walked in reverse order; each has a rule that
says how a gradient passes through it (the other modules here). Gradients are emitted with the same
builder, so they fold, and can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING

import onnx_ir as ir

from exporter.errors import UnsupportedError
from exporter.onnx_graph.call import Branches
from exporter.onnx_graph.derivatives.branches import (
    Fork,
    Repetition,
    find_captured,
    shaped_as,
    unified,
)
from exporter.onnx_graph.derivatives.pieces import zeros
from exporter.onnx_graph.derivatives.registry import Step, find_rule
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder
    from exporter.onnx_graph.call import Call

__all__ = ["gradients", "pulled_back", "variable"]

_FLOATS = {ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.FLOAT, ir.DataType.DOUBLE}


def gradients(
    g: Builder,
    outputs: Sequence[Tensor],
    grads: Sequence[Tensor],
    inputs: Sequence[Tensor],
    *,
    partial: bool = False,
) -> list[Tensor | None]:
    """The gradients of the outputs, weighted by `grads` of their shapes, to the inputs.

    None stands for an input that no output depends on. An error where a node on the way has no
    rule, such as a `Loop`. `partial` ones take the inputs for independent of one another.
    """
    for tensor in (*outputs, *inputs):
        if tensor.dtype not in _FLOATS:
            raise UnsupportedError(f"the gradient of a {tensor.dtype.name.lower()} tensor")
    path = _Path(g, inputs, partial=partial)
    for output in outputs:
        path.follow(output)
    gathered: dict[Hashable, Tensor] = {}

    def add(tensor: Tensor, grad: Tensor) -> None:
        key = _key(tensor)
        gathered[key] = g.Add(gathered[key], grad) if key in gathered else grad

    for output, grad in zip(outputs, grads, strict=True):
        add(output, grad)
    for step in reversed(path.steps):
        found = [gathered.get(_key(result)) for result in step.results]
        if all(grad is None for grad in found):
            continue
        passed = _forked(g, step, found) if isinstance(step, Fork) else _passed(g, step, found)
        for source, part in passed:
            if part is not None:
                add(source, part)
    return [gathered.get(_key(tensor)) for tensor in inputs]


def _passed(
    g: Builder, step: Step, grads: Sequence[Tensor | None]
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """The parts of a node's gradients that go on to its inputs."""
    rule = find_rule(step.call.op_type) if not step.call.signature.domain else None
    if rule is None:
        raise _no_derivative(step.call.op_type)
    results = rule(g, step, grads)
    for source, needed, part in zip(step.call.inputs, step.wanted, results, strict=False):
        if source is not None and needed:
            yield source, part


def _forked(
    g: Builder, fork: Fork, grads: Sequence[Tensor | None]
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """The same of an `If`: each branch of another one goes back through its namesake's nodes."""
    sides = []
    asked = [i for i, grad in enumerate(grads) if grad is not None]
    for scope, tensors in fork.call.sides:
        with g.body(scope.name) as body:
            outputs = Repetition(g)([tensors[i] for i in asked])
            weights = [shaped_as(g, grads[i], o) for i, o in zip(asked, outputs, strict=True)]
            sides.append((body, gradients(g, outputs, weights, fork.targets, partial=True)))
    found = unified(g, fork.call.condition, sides, fork.targets)
    return zip(fork.targets, found, strict=True)


def pulled_back(
    g: Builder,
    function: Callable[..., Tensor],
    inputs: Sequence[Tensor],
    grad: Tensor,
) -> list[Tensor]:
    """The gradients of a function of some tensors, weighted by `grad`, to each of them.

    Zeros for those that it does not depend on. The nodes of the function's value itself fall away
    where no gradient needs them.
    """
    variables = [variable(g, tensor) for tensor in inputs]
    found = gradients(g, [function(*variables)], [grad], variables)
    return [
        zeros(g, tensor) if part is None else part
        for part, tensor in zip(found, inputs, strict=True)
    ]


def variable(g: Builder, tensor: Tensor) -> Tensor:
    """A tensor's value as a variable: nothing is folded with it, and gradients stop here."""
    same = Tensor(tensor.dtype, tensor.shape, value=g.value(tensor), scope=tensor.scope)
    same.detached = True
    return same


def _key(tensor: Tensor) -> Hashable:
    """What a gradient belongs to: an ONNX value; a detached tensor is one of its own."""
    return tensor if tensor.detached or tensor.value is None else tensor.value


class _Path:
    """The nodes through which the outputs depend on the inputs, each after those it depends on."""

    def __init__(self, g: Builder, inputs: Sequence[Tensor], *, partial: bool) -> None:
        self._g = g
        self._partial = partial
        self._targets = {_key(tensor) for tensor in inputs}
        self._values = {tensor.value for tensor in inputs}
        # Whether a value depends on an input, for those that were looked at.
        self._leads: dict[Hashable, bool] = {}
        self.steps: list[Step | Fork] = []

    def follow(self, output: Tensor) -> None:
        """Find all nodes between the inputs and this tensor."""
        # Depth first, without recursion: graphs are thousands of nodes deep.
        stack: list[tuple[Tensor, Iterator[Tensor]]] = [(output, self._sources(output))]
        while stack:
            tensor, sources = stack[-1]
            following = next((s for s in sources if _key(s) not in self._leads), None)
            if following is not None:
                stack.append((following, self._sources(following)))
                continue
            stack.pop()
            self._settle(tensor)

    def _made(self, tensor: Tensor) -> tuple[Call | Branches, Sequence[Tensor]] | None:
        if tensor.detached or tensor.value is None:
            return None
        if self._partial and _key(tensor) in self._targets:
            return None
        made = self._g.steps.get(tensor.value)
        if made is not None and isinstance(made[0], Branches):
            find_captured(self._g, made[0])
        return made

    def _sources(self, tensor: Tensor) -> Iterator[Tensor]:
        made = self._made(tensor)
        if made is None or _key(tensor) in self._leads:
            return iter(())
        return iter([t for t in made[0].inputs or () if t is not None and _differentiable(t)])

    def _settle(self, tensor: Tensor) -> None:
        key = _key(tensor)
        if key in self._leads:
            return
        made = self._made(tensor)
        if made is None:
            self._leads[key] = key in self._targets
            if not (tensor.detached or self._leads[key]):
                self._refuse_hidden(tensor)
            return
        call, results = made
        wanted = [
            t is not None and _differentiable(t) and self._leads.get(_key(t), False)
            for t in call.inputs or ()
        ]
        leads = any(wanted)
        for result in results:
            self._leads[_key(result)] = leads or _key(result) in self._targets
        if isinstance(call, Branches):
            if leads:
                given = zip(call.inputs or (), wanted, strict=True)
                targets = {_key(tensor): tensor for tensor, wants in given if wants}
                self.steps.append(Fork(call, results, list(targets.values())))
            elif call.hidden:
                self._refuse_hidden(tensor)
        elif leads:
            self.steps.append(Step(call, results, wanted))

    def _refuse_hidden(self, tensor: Tensor) -> None:
        """An error if the tensor depends on an input in a way that was not recorded."""
        node = None if tensor.value is None else tensor.value.producer()
        if node is not None and _reaches(node, self._values):
            raise _no_derivative(node.op_type)


def _no_derivative(op_type: str) -> UnsupportedError:
    hint = "bind the argument that the branch depends on (constants, --const), or use torch.where"
    return UnsupportedError(
        f"a gradient through ONNX {op_type}, whose derivative is not known",
        (f"try  {hint}",) if op_type == "If" else (),
    )


def _differentiable(tensor: Tensor) -> bool:
    return tensor.array is None and tensor.dtype in _FLOATS


def _reaches(node: ir.Node, targets: set[ir.Value | None]) -> bool:
    """Whether a node, or its bodies, depend on one of some values."""
    stack, seen = [node], {node}
    while stack:
        current = stack.pop()
        values = [v for v in current.inputs if v is not None]
        for attribute in current.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                values += list(attribute.as_graph().outputs)
                for inner in attribute.as_graph().all_nodes():
                    values += [v for v in inner.inputs if v is not None]
        for value in values:
            if value in targets:
                return True
            producer = value.producer()
            if producer is not None and producer not in seen:
                seen.add(producer)
                stack.append(producer)
    return False

"""`while True` that one branch leaves: what that branch does is done behind the loop.

    while True:                          while True:
        x = step(x)                          x = step(x)
        if done(x):            is            if done(x):
            found["x"] = x                       break
            break                        found["x"] = x

Inside the loop a branch has to leave everything in the form that it has on the path that goes on:
the same keys of a dict, a list of one length. Behind the loop there is no other path.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import NamedTuple

from exporter.torchscript.graph import Block, Node, Value

__all__ = ["Exit", "exit_of"]


class Exit(NamedTuple):
    """A loop without what is done on the way out, which is `block`."""

    body: Block
    """Carries `kept` behind what the loop carries."""
    kept: list[Value]
    """Values of the body that are read behind the loop."""
    constants: list[Node]
    """Those of the body that are literals."""
    block: Block
    outputs: list[Value]
    """What the loop carries, as it is behind `block`."""


def exit_of(body: Block) -> Exit | None:
    """The only way out of a loop that else goes on for ever; None where it isn't a branch's."""
    branch = body.nodes[-1] if body.nodes else None
    if branch is None or branch.kind != "prim::If" or body.outputs[0] not in branch.outputs:
        return None
    place = branch.outputs.index(body.outputs[0])
    goes_on = [_literal(block.outputs[place]) for block in branch.blocks]
    if goes_on not in ([True, False], [False, True]):
        return None
    leaving = branch.blocks[goes_on.index(False)]
    after = dict(zip(branch.outputs, leaving.outputs, strict=True))
    outputs = [after.get(value, value) for value in body.outputs[1:]]
    constants = [node for node in body.nodes if node.kind == "prim::Constant"]
    computed = {v for node in body.nodes if node not in constants for v in node.outputs}
    computed.update(body.inputs)
    read = [value for node in leaving.walk() for value in _read(node)]
    kept = [v for v in dict.fromkeys([*read, *leaving.outputs, *outputs]) if v in computed]
    return Exit(_shortened(body, branch, leaving, place, kept), kept, constants, leaving, outputs)


def _shortened(
    body: Block, branch: Node, leaving: Block, place: int, kept: Sequence[Value]
) -> Block:
    """The body with nothing on the way out. What it carries is not read there."""
    left = Block()
    for node in (Node("prim::Uninitialized"), Node("prim::Constant", attributes={"value": False})):
        node.outputs.append(Value("left", None, node))
        left.nodes.append(node)
    unread, false = (node.outputs[0] for node in left.nodes)
    left.outputs = [false if i == place else unread for i in range(len(leaving.outputs))]
    shorter = copy(branch)
    shorter.blocks = [left if block is leaving else block for block in branch.blocks]
    result = Block()
    result.inputs = [*body.inputs, *(Value(value.name, value.type) for value in kept)]
    result.nodes = [*body.nodes[:-1], shorter]
    result.outputs = [*body.outputs, *kept]
    return result


def _read(node: Node) -> list[Value]:
    return [*node.inputs, *(value for block in node.blocks for value in block.outputs)]


def _literal(value: Value) -> object:
    node = value.node
    return node.attributes["value"] if node is not None and node.kind == "prim::Constant" else None

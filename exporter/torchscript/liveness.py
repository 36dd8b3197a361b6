"""Which names are still needed after each `if` and loop of a function.

Archive code assigns in branches and loop bodies; in SSA form what is assigned there and used later
becomes an output of the node. Whatever is not used later must not: a name that just one
branch defines has no value on the other path.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

__all__ = ["Liveness", "live_names"]

Liveness = dict[ast.stmt, set[str]]
"""For an `if`: the names used after it. For a loop: those used after it or by its next trip."""


def live_names(body: Sequence[ast.stmt]) -> Liveness:
    """Liveness of every `if` and loop in a function body."""
    result: Liveness = {}
    if any(isinstance(statement, (ast.If, ast.For, ast.While, ast.With)) for statement in body):
        _walk_back(body, set(), result)
    return result


def _walk_back(body: Sequence[ast.stmt], live: set[str], result: Liveness) -> set[str]:
    """Live names before `body`, given those after it; `live` is changed and returned."""
    for statement in reversed(body):
        if isinstance(statement, ast.If):
            result[statement] = set(live)
            before_else = _walk_back(statement.orelse, set(live), result)
            live = _walk_back(statement.body, live, result) | before_else
            _add_loads(statement.test, live)
        elif isinstance(statement, (ast.For, ast.While)):
            live = _before_loop(statement, live, result)
        elif isinstance(statement, ast.With):
            live = _walk_back(statement.body, live, result)
            for item in statement.items:
                if item.optional_vars is not None:
                    live.discard(_stored(item.optional_vars)[0])
                _add_loads(item.context_expr, live)
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for target in targets:
                live.difference_update(_stored(target))
                if isinstance(target, ast.Attribute):
                    _add_loads(target, live)
            if statement.value is not None:
                _add_loads(statement.value, live)
        else:
            _add_loads(statement, live)
    return live


def _before_loop(loop: ast.For | ast.While, after: set[str], result: Liveness) -> set[str]:
    """Live names before a loop.

    The body is walked twice: what its start needs is live at its end too. No third time is
    needed, since a walk only ever removes the names that the body assigns on every path.
    """
    end = set(after)
    test = loop.iter if isinstance(loop, ast.For) else loop.test
    if isinstance(loop, ast.While):
        _add_loads(test, end)
    start = _walk_back(loop.body, set(end), {})
    if isinstance(loop, ast.For):
        start.difference_update(_stored(loop.target))
    end |= start
    _walk_back(loop.body, set(end), result)
    result[loop] = set(after) | start
    _add_loads(test, end)
    return end


def _stored(target: ast.expr) -> list[str]:
    if isinstance(target, ast.Name):
        return [target.id]
    if isinstance(target, (ast.Tuple, ast.List)):
        return [name for element in target.elts for name in _stored(element)]
    return []


def _add_loads(node: ast.AST, live: set[str]) -> None:
    """Add the names that an expression or simple statement reads."""
    pending = [node]
    while pending:
        current = pending.pop()
        if isinstance(current, ast.Name):
            live.add(current.id)
        else:
            pending.extend(ast.iter_child_nodes(current))

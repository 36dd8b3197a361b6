"""Parses code that is indented deeper than Python's own parser takes.

CPython stops at 100 levels of indentation. TorchScript does not, and turns each `elif` and each
early return into a level. So what lies too deep is cut out, parsed on its own and put back.
"""

from __future__ import annotations

import ast

__all__ = ["parse_code"]

_INDENT = 2
_LEVELS = 40
_PLACEHOLDER = "_cut_out_"


def parse_code(text: str) -> ast.Module:
    """Parse archive code, which indents by two spaces and has no string over several lines."""
    deepest = " " * (_INDENT * _LEVELS)
    if f"\n{deepest}" not in text:
        return ast.parse(text)
    lines = text.split("\n")
    tree, cut = _parse_outer(lines, deepest)
    for statement in ast.walk(tree):
        for body in _bodies(statement):
            if (start := _cut_at(body)) is not None:
                body[:] = _parse_inner(lines, start, cut[start], len(deepest))
    return tree


def _parse_outer(lines: list[str], deepest: str) -> tuple[ast.Module, dict[int, int]]:
    """The tree with placeholders, and for each the line range that it stands for."""
    outer = list(lines)
    cut: dict[int, int] = {}
    index = 0
    while index < len(lines):
        if not lines[index].startswith(deepest):
            index += 1
            continue
        start = index
        while index < len(lines) and lines[index].startswith(deepest):
            outer[index] = ""
            index += 1
        outer[start] = f"{deepest}{_PLACEHOLDER}"
        cut[start] = index
    return ast.parse("\n".join(outer)), cut


def _bodies(statement: ast.AST) -> list[list[ast.stmt]]:
    bodies = (getattr(statement, name, None) for name in ("body", "orelse"))
    return [body for body in bodies if isinstance(body, list)]


def _cut_at(body: list[ast.stmt]) -> int | None:
    """The line that a placeholder stands in, from 0; None for a body that was not cut out."""
    if len(body) == 1 and isinstance(body[0], ast.Expr):
        value = body[0].value
        if isinstance(value, ast.Name) and value.id == _PLACEHOLDER:
            return body[0].lineno - 1
    return None


def _parse_inner(lines: list[str], start: int, end: int, indent: int) -> list[ast.stmt]:
    """A suite, parsed by itself; positions are those in the whole text."""
    body = parse_code("\n".join(line[indent:] for line in lines[start:end])).body
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, (ast.stmt, ast.expr)):
                node.lineno += start
                node.col_offset += indent
                node.end_lineno = (node.end_lineno or 0) + start
                node.end_col_offset = (node.end_col_offset or 0) + indent
    return body

"""The constants of archive code: numbers, strings, `inf`, `1.+2.j`, `CONSTANTS.c0`, and lists."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Sequence

from exporter.errors import ScriptError

__all__ = ["NOT_LITERAL", "scalar_literal", "literal"]


class _NotLiteral:
    def __repr__(self) -> str:
        return "NOT_LITERAL"


NOT_LITERAL = _NotLiteral()

_NAMES: dict[str, object] = {
    "inf": math.inf,
    "infinity": math.inf,
    "nan": math.nan,
    "infj": complex(0, math.inf),
    "nanj": complex(0, math.nan),
    "None": None,
    "True": True,
    "False": False,
}

_ESCAPED_BYTE = re.compile(r"\\[0-3][0-7][0-7]|\\x")


def scalar_literal(expression: ast.expr, constants: Sequence[object], source: str = "") -> object:
    """The value of a literal that is no container, or NOT_LITERAL.

    `source` is the text of the expression; it tells strings written as escaped bytes from others.
    """
    if isinstance(expression, ast.Constant):
        if isinstance(expression.value, str) and not expression.value.isascii():
            return _decoded(expression.value, source)
        return expression.value
    if isinstance(expression, ast.UnaryOp) and isinstance(expression.op, ast.USub):
        value = scalar_literal(expression.operand, constants)
        if isinstance(value, (int, float, complex)):
            return -value
    elif isinstance(expression, ast.Name):
        return _NAMES.get(expression.id, NOT_LITERAL)
    elif isinstance(expression, ast.Attribute):
        if isinstance(expression.value, ast.Name) and expression.value.id == "CONSTANTS":
            return _stored_constant(expression.attr, constants)
    elif isinstance(expression, ast.BinOp):
        return _complex_literal(expression, constants)
    return NOT_LITERAL


def literal(expression: ast.expr, constants: Sequence[object]) -> object:
    """The value of a default argument or of a class constant."""
    if isinstance(expression, ast.Tuple):
        return tuple(literal(element, constants) for element in expression.elts)
    if isinstance(expression, ast.List):
        return [literal(element, constants) for element in expression.elts]
    if isinstance(expression, ast.Dict):
        return {
            literal(key, constants): literal(value, constants)
            for key, value in zip(expression.keys, expression.values, strict=True)
            if key is not None
        }
    if isinstance(expression, ast.Call):
        # `annotate(List[int], [])` and `torch.device("cpu")`: what they hold says it all.
        if ast.unparse(expression.func) in ("annotate", "torch.device"):
            return literal(expression.args[-1], constants)
    else:
        value = scalar_literal(expression, constants)
        if value is not NOT_LITERAL:
            return value
    raise ScriptError(f"not a constant: {ast.unparse(expression)}")


def _stored_constant(name: str, constants: Sequence[object]) -> object:
    """`CONSTANTS.c7` is the eighth element of the archive's constants."""
    index = name[1:]
    if name[:1] == "c" and index.isdigit() and int(index) < len(constants):
        return constants[int(index)]
    raise ScriptError(
        f"the code refers to CONSTANTS.{name}, the archive has {len(constants)} constants"
    )


def _complex_literal(expression: ast.BinOp, constants: Sequence[object]) -> object:
    """`1.+2.j`: complex numbers are the only sums that archive code spells with an operator.

    The parts are joined, not added, since -0.0, inf and nan would not survive an addition.
    """
    real = scalar_literal(expression.left, constants)
    imaginary = scalar_literal(expression.right, constants)
    if isinstance(real, (int, float)) and isinstance(imaginary, complex):
        if isinstance(expression.op, ast.Add):
            return complex(real, imaginary.imag)
        if isinstance(expression.op, ast.Sub):
            return complex(real, -imaginary.imag)
    return NOT_LITERAL


def _decoded(value: str, source: str) -> str:
    """A string that older versions wrote as escaped UTF-8 bytes, one by one, as it was meant."""
    if _ESCAPED_BYTE.search(source) is None:
        return value
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value

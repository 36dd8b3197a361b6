"""Floats that PyTorch writes into archives as if they were ints.

TorchScript code shows the float 1e10 as `10000000000`: a whole number from 1e10 to 1e17 gets no
point. What reads it back (PyTorch too) takes it for an int, and `torch.full([n], 1e10)` is int64
from then on. Of a live program the graphs tell which they were.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import torch

from exporter.errors import ConversionError

__all__ = ["floats_written_as_ints"]

_LONG_INTEGER = re.compile(r"(?<![\w.])\d{11,17}(?![\w.])")


def floats_written_as_ints(
    model: torch.jit.ScriptModule | torch.jit.ScriptFunction, method: str, code: Iterable[str]
) -> frozenset[int]:
    """The absolute values of the integers in a live program's code that are floats in it."""
    written = {int(found) for text in code for found in _LONG_INTEGER.findall(text)}
    if not written:
        return frozenset()
    if isinstance(model, torch.jit.ScriptFunction):
        graphs = [model.inlined_graph]
    else:
        named = [n for n in model._c._method_names() if n.partition("__")[0] == method]
        graphs = [model._c._get_method(name).inlined_graph for name in named]
    numbers = [number for graph in graphs for number in _constants(graph)]
    floats = {abs(int(n)) for n in numbers if type(n) is float and abs(n) in written}
    ints = {abs(n) for n in numbers if type(n) is int}
    if both := floats & ints:
        raise ConversionError(
            f"the program has {float(min(both)):.17g} as a float and as an int, "
            "and TorchScript's code shows both as an int",
            ("keep the float as a tensor: a buffer of the module, or torch.tensor(...)",),
        )
    return frozenset(floats)


def _constants(block: Any) -> Iterator[object]:
    """The numbers of all constants, those in lists and tuples too."""
    for node in block.nodes():
        if node.kind() == "prim::Constant" and node.hasAttribute("value"):
            yield from _leaves(node.output().toIValue())
        for inner in node.blocks():
            yield from _constants(inner)


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, dict):
        yield from _leaves([*value, *value.values()])
    else:
        yield value

"""Graphs print as PyTorch prints those it reads from the same archive."""

import io
import re
from enum import Enum
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from exporter.archive import open_archive
from exporter.torchscript import Program
from exporter.torchscript.printing import format_constant, format_graph
from tests.torchscript.test_lowering import (
    Cell,
    any_type,
    chunks,
    comparison,
    early_return,
    named_tuple,
    nested_loops,
    no_gradient,
    raising,
    refinement,
    script_class,
    swapped_in_loop,
    unused_results,
    while_break_continue,
    while_true,
    writes,
)

_CONSTANT = re.compile(r"\s*%([^:]*?) : (.*) = (prim::Constant.*)$")


def normalized(text):
    """The lines, constants put where they are used, values numbered by first appearance."""
    constants = {}
    lines = []
    for line in text.splitlines():
        code = re.sub(r"\s*# .*:\d+:\d+$", "", line)
        if match := _CONSTANT.match(code):
            constants[match[1]] = f"<{match[2]} {match[3]}>"
        else:
            lines.append(code)
    numbers = {}

    def renamed(match):
        name = match[1]
        return constants.get(name) or f"%{numbers.setdefault(name, len(numbers))}"

    return [re.sub(r"%([\w.]+)", renamed, line) for line in lines]


def printed(module):
    """What we print for a saved module, and what PyTorch prints."""
    buffer = io.BytesIO()
    torch.jit.save(module, buffer)
    archive = open_archive(buffer.getvalue())
    program = Program(archive.code, archive.constants, archive.source_ranges)
    graph = program.method(archive.root.type_name, "forward").graph
    buffer.seek(0)
    return format_graph(graph, program), str(torch.jit.load(buffer).graph)


class Color(Enum):
    RED = 1
    BLUE = 2


class Point(NamedTuple):
    place: Tensor
    count: int


def overloads(x: Tensor, n: int, f: float):
    y = x + 1 - x * f / n + n
    z = torch.cat([x, y], dim=1).sum() + torch.sum(x, [0, 1]) + x.max()
    return y, z, n + 1, n / 2, n * f, n // 2, x.size(0), x[0], x[:, 1:], max(n, 3), x == y, n == 1


def dictionaries(x: Tensor, n: int):
    table = {"a": x, "b": x + 1}
    for key, value in table.items():
        table[key] = value * n
    return table, list(table.keys()), table.get("c"), len(table), "a" in table


FUNCTIONS = [
    any_type,
    chunks,
    comparison,
    dictionaries,
    early_return,
    named_tuple,
    nested_loops,
    no_gradient,
    overloads,
    raising,
    refinement,
    script_class,
    swapped_in_loop,
    unused_results,
    while_break_continue,
    while_true,
    writes,
]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_functions_print_as_in_pytorch(function):
    ours, theirs = printed(torch.jit.script(function))
    assert normalized(ours) == normalized(theirs)


@pytest.mark.parametrize(
    "module",
    [
        nn.GRUCell(2, 3),
        nn.TransformerEncoderLayer(4, 2, 8),
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU()),
        nn.Upsample(scale_factor=2.0, mode="bilinear"),
    ],
    ids=lambda module: type(module).__name__,
)
def test_scripted_modules_print_as_in_pytorch(module):
    ours, theirs = printed(torch.jit.script(module))
    assert normalized(ours) == normalized(theirs)


def test_module_with_state_prints_as_in_pytorch():
    ours, theirs = printed(torch.jit.script(Cell()))
    assert normalized(ours) == normalized(theirs.replace("%with space", "%with_space"))


def test_traced_module_prints_as_in_pytorch():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.MaxPool2d(2), nn.Flatten())
    ours, theirs = printed(torch.jit.trace(net.eval(), torch.ones(1, 1, 8, 8)))
    assert normalized(ours) == normalized(theirs)


def test_types_and_constants():
    def f(x: Tensor, o: Tensor | None, d: dict[str, list[int]], a: Any, t: tuple[int, str]):
        color = Color.BLUE
        if x.dim() == 2:
            color = Color.RED
        point = Point(x, t[0])
        sizes = x.shape
        if isinstance(a, int):
            sizes.append(a)
        number = int(x) + float(x)
        values: list[float] = x.tolist()
        parts = d["key"][1:]
        q = torch.empty([2, 3], dtype=torch.half, device=torch.device("cpu")).to(x)
        rolled = q.roll(1)
        return color, point, o, number, values, parts, rolled, "it's\n", 1e-5, 2j, None, sizes

    ours, theirs = printed(torch.jit.script(f))
    assert normalized(ours) == normalized(theirs)


def test_the_layout_of_the_text():
    text = """\
def f(x: Tensor,
    n: int) -> Tensor:
  if torch.gt(n, 0):
    y = torch.add(x, 1)
  else:
    y = x
  torch.Delete(n, 0)
  return y
"""
    program = Program({"__torch__.m": text})
    assert (
        format_graph(program.function("__torch__.m.f").graph, program)
        == """\
graph(%x : Tensor,
      %n : int):
  %0 : int = prim::Constant[value=0]()
  %1 : int = prim::Constant[value=1]()
  %2 : bool = aten::gt(%n, %0)
  %y.1 : Tensor = prim::If(%2)
    block0():
      %y : Tensor = aten::add(%x, %1, %1)
      -> (%y)
    block1():
      -> (%x)
   = aten::Delete(%n, %0)
  return (%y.1)
"""
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, "1"),
        (100.0, "100."),
        (0.1, "0.10000000000000001"),
        (3e20, "3e+20"),
        (float("-inf"), "-inf"),
        (complex(1, -2), "1.-2.j"),
        ("a'\"\n\\", '"a\\\'\\"\\n\\\\"'),
        ((1, None, [False]), "(1, None, [0])"),
    ],
)
def test_constants(value, expected):
    assert format_constant(value) == expected

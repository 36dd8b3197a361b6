"""The shape of the IR: kinds, keywords, what `if` and loops return, where nodes come from."""

import pytest
import torch
from torch import Tensor, nn

from exporter.errors import ScriptError
from exporter.torchscript import MISSING, Program
from exporter.torchscript.types import ClassRef, FloatType, IntType, ListType, OptionalType
from tests.torchscript.running import lowered, saved_program


def nodes(graph, kind):
    return [node for node in graph.walk() if node.kind == kind]


def program(text, constants=()):
    return Program({"__torch__.m": text}, constants)


def graph(body, signature="x: Tensor, n: int"):
    lines = "".join(f"  {line}\n" for line in body.splitlines())
    return program(f"def f({signature}) -> Tensor:\n{lines}").function("__torch__.m.f").graph


def test_operators_calls_and_keywords():
    found = graph(
        "_0 = ops.mylib.op(x, torch.add(x, n, alpha=2))\n"
        "return torch.zeros([n], dtype=6, device=None)"
    )
    kinds = [node.kind for node in found.walk()]
    assert kinds == [
        *["prim::Constant"] * 3,
        *["aten::add", "mylib::op", "prim::ListConstruct", "aten::zeros"],
    ]
    (add,) = nodes(found, "aten::add")
    assert add.keywords == ("alpha",)
    assert [value.name for value in add.inputs[:2]] == ["x", "n"]
    (zeros,) = nodes(found, "aten::zeros")
    assert zeros.keywords == ("dtype", "device")
    assert zeros.inputs[1].node.attributes == {"value": 6}


def test_equal_constants_are_one_node_and_only_those():
    found = graph('return torch.f(1, 1, True, 1., 0., -0., 0, False, None, "1", nan, nan)')
    (call,) = nodes(found, "aten::f")
    values = [value.node.attributes["value"] for value in call.inputs]
    assert list(map(repr, values)) == [
        *["1", "1", "True", "1.0", "0.0", "-0.0", "0", "False", "None", "'1'", "nan", "nan"]
    ]
    assert call.inputs[0] is call.inputs[1]
    assert len(nodes(found, "prim::Constant")) == 10


def test_results_of_several_values_and_unpacked_tuples_differ():
    found = graph(
        "a, b = torch.max(x, 0)\nc, d, = torch.split(x, 1)\ne, = torch.f(a)\nreturn (b, c, e)"
    )
    (several,) = nodes(found, "aten::max")
    assert [value.name for value in several.outputs] == ["a", "b"]
    unpacks = nodes(found, "prim::TupleUnpack")
    assert [node.inputs[0].node.kind for node in unpacks] == ["aten::split", "aten::f"]
    assert [[value.name for value in node.outputs] for node in unpacks] == [["c", "d"], ["e"]]


def test_parallel_assignment_is_no_tuple():
    found = graph("a, b = x, n\na, b = b, a\nreturn torch.f(a, b)")
    (call,) = nodes(found, "aten::f")
    assert [value.name for value in call.inputs] == ["n", "x"]
    assert len(list(found.walk())) == 1


def test_statements_have_no_outputs():
    found = graph('torch.Delete(x, 0)\nprint(x)\nops.prim.RaiseException("no")\nreturn x')
    assert [len(node.outputs) for node in found.walk()] == [1, 1, 0, 0, 0]


def test_if_returns_what_is_assigned_and_used_later():
    found = graph(
        "y = x\n"
        "if torch.gt(n, 0):\n"
        "  t = torch.neg(x)\n"
        "  y = torch.abs(t)\n"
        "  z = n\n"
        "else:\n"
        "  t = torch.sin(x)\n"
        "  z = 3\n"
        "  u = t\n"
        "return torch.f(y, z)"
    )
    (branch,) = nodes(found, "prim::If")
    assert len(branch.outputs) == 2
    assert [len(block.outputs) for block in branch.blocks] == [2, 2]
    assert branch.blocks[1].outputs[0] is found.block.inputs[0]
    assert branch.blocks[0].outputs[1] is found.block.inputs[1]


def test_if_whose_branches_only_raise_or_pass():
    found = graph('if torch.gt(n, 0):\n  pass\nelse:\n  ops.prim.RaiseException("")\nreturn x')
    (branch,) = nodes(found, "prim::If")
    assert branch.outputs == []


def test_for_carries_what_the_next_trip_or_the_rest_needs():
    found = graph(
        "y = x\n"
        "acc = 0\n"
        "seen = x\n"
        "for i in range(n):\n"
        "  t = torch.mul(y, i)\n"
        "  y = torch.add(t, 1)\n"
        "  acc = torch.add(acc, i)\n"
        "  seen = t\n"
        "return torch.f(y, seen)"
    )
    (loop,) = nodes(found, "prim::Loop")
    assert loop.inputs[0].name == "n"
    assert loop.inputs[1].node.attributes == {"value": True}
    # `seen` is used after the loop; `acc` only by the next trip.
    assert [value.name for value in loop.inputs[2:]] == ["x", "constant", "x"]
    body = loop.blocks[0]
    assert len(body.inputs) == 4
    assert len(body.outputs) == 4
    assert body.outputs[0] is loop.inputs[1]
    assert len(loop.outputs) == 3


def test_while_condition_is_not_carried():
    found = graph(
        "c = torch.gt(n, 0)\n"
        "y = x\n"
        "while c:\n"
        "  y = torch.add(y, 1)\n"
        "  d = torch.lt(n, 5)\n"
        "  c = d\n"
        "return y"
    )
    (loop,) = nodes(found, "prim::Loop")
    assert loop.inputs[0].node.attributes == {"value": 2**63 - 1}
    assert loop.inputs[1].node.kind == "aten::gt"
    assert len(loop.outputs) == 1
    assert loop.blocks[0].outputs[0].node.kind == "aten::lt"


def test_scripted_while_true():
    def f(x: Tensor):
        while True:
            x = x + 1
            if bool(x.sum() > 5):
                break
        return x

    (loop,) = nodes(lowered(f).graph, "prim::Loop")
    assert len(loop.outputs) == 1


def test_variables_of_an_inner_loop_stay_inside():
    def f(x: Tensor, n: int):
        for i in range(n):
            for j in range(i):
                if j == 3:
                    break
                x = x + j
        return x

    outer, inner = nodes(lowered(f).graph, "prim::Loop")
    assert len(outer.outputs) == 1
    assert len(inner.outputs) == 2  # x and the trip counter


def test_annotated_containers_have_a_type():
    found = graph(
        "a = annotate(List[Optional[Tensor]], [])\n"
        "b : Dict[str, int] = {}\n"
        "c = annotate(int, x)\n"
        "d = annotate(List[List[int]], x.tolist())\n"
        "e : Optional[Tensor] = x\n"
        "return torch.f(a, b, c, d, e)"
    )
    (call,) = nodes(found, "aten::f")
    a, b, c, d, e = call.inputs
    assert str(a.type) == "Tensor?[]"
    assert str(b.type) == "Dict(str, int)"
    assert c.node.kind == "prim::annotate"
    assert c.node.attributes == {"type": IntType()}
    assert d.node.kind == "prim::tolist"
    assert d.node.attributes == {"type": ListType(ListType(IntType()))}
    assert e is found.block.inputs[0]


def test_subscripts_and_slices():
    found = graph("a = x[-1]\nb = (x)[1:3]\nc = x[::2]\nreturn torch.f(a, b, c)")
    (item,) = nodes(found, "aten::__getitem__")
    assert item.inputs[1].node.attributes == {"value": -1}
    bounds = [
        [value.node.attributes["value"] for value in node.inputs[1:]]
        for node in nodes(found, "aten::slice")
    ]
    assert bounds == [[1, 3, 1], [None, None, 2]]


def test_closures_of_forks_are_blocks():
    found = graph(
        "def __forked_function():\n"
        "  return torch.neg(x)\n"
        "f = fork(__forked_function)\n"
        "return torch.wait(f)"
    )
    fork, _, wait = found.walk()
    assert fork.kind == "prim::fork"
    assert fork.blocks[0].outputs[0].node.kind == "aten::neg"
    assert wait.inputs == fork.outputs


def test_context_managers_are_entered_and_left():
    found = graph("with x as y:\n  z = torch.neg(y)\nreturn z")
    assert [node.kind for node in found.walk()] == ["prim::Enter", "aten::neg", "prim::Exit"]


CLASSES = """\
class M(Module):
  __parameters__ = ["weight", ]
  __buffers__ = ["lambda", ]
  weight : Tensor
  lambda : Tensor
  training : bool
  size : Final[int] = 5
  pads : Final[List[int]] = [1, -1]
  __annotations__["0"] = __torch__.m.C
  def forward(self: __torch__.m.M,
    x: Tensor,
    k: Optional[int]=None,
    eps: float=-inf,
    t: Tuple[int, float]=(1, 2.5)) -> Tensor:
    _0 = __torch__.m.helper
    _1 = getattr(self, "0")
    l = self.lambda
    self.lambda = torch.add(l, 1)
    c = __torch__.m.C.__new__(__torch__.m.C)
    _2 = (c).__init__(__torch__.m.Color.RED, )
    p = __torch__.m.Pair(x, 1)
    a = torch.random_(x, from=3)
    return _0(p, from=l, )
class C:
  color : __torch__.m.Color
  def __init__(self: __torch__.m.C,
    color: __torch__.m.Color) -> NoneType:
    self.color = color
    return None
class Pair(NamedTuple):
  first : Tensor
  second : int = 3
class Color(Enum):
  RED = "r"
  BLUE = 2.5
class Shape(ModuleInterface):
  def forward(self, x: Tensor) -> Tensor:
    pass
def helper(p: __torch__.m.Pair,
    x: Tensor) -> Tensor:
  return x
"""


def test_classes():
    found = program(CLASSES)
    module = found.class_type("__torch__.m.M")
    assert module.kind == "module"
    assert module.parameters == ["weight"]
    assert module.buffers == ["lambda"]
    assert list(module.attributes) == ["weight", "lambda", "training", "size", "pads", "0"]
    assert module.attributes["0"] == ClassRef("__torch__.m.C")
    assert module.constants == {"size": 5, "pads": [1, -1]}
    assert found.class_type("__torch__.m.C").kind == "class"
    pair = found.class_type("__torch__.m.Pair")
    assert (pair.kind, list(pair.attributes), pair.defaults) == (
        "namedtuple",
        ["first", "second"],
        {"second": 3},
    )
    color = found.class_type("__torch__.m.Color")
    assert (color.kind, color.members) == ("enum", {"RED": "r", "BLUE": 2.5})
    shape = found.class_type("__torch__.m.Shape")
    assert shape.kind == "interface"
    assert shape.methods["forward"].parameters[0].type == ClassRef("__torch__.m.Shape")


def test_parameters_and_defaults():
    parameters = program(CLASSES).method("__torch__.m.M", "forward").parameters
    assert [p.name for p in parameters] == ["self", "x", "k", "eps", "t"]
    assert [p.default for p in parameters] == [*[MISSING, MISSING, None, float("-inf"), (1, 2.5)]]
    assert [p.has_default for p in parameters] == [False, False, True, True, True]
    assert parameters[2].type == OptionalType(IntType())
    assert parameters[3].type == FloatType()


def test_objects_enums_functions_and_keywords_as_names():
    found = program(CLASSES).method("__torch__.m.M", "forward").graph
    described = [(node.kind, node.attributes.get("name")) for node in found.walk()]
    assert described == [
        *[("prim::Constant", None)] * 2,
        ("prim::GetAttr", "0"),
        ("prim::GetAttr", "lambda"),
        ("aten::add", None),
        ("prim::SetAttr", "lambda"),
        ("prim::CreateObject", "__torch__.m.C"),
        ("prim::EnumMember", "__torch__.m.Color"),
        ("prim::CallMethod", "__init__"),
        ("prim::NamedTupleConstruct", "__torch__.m.Pair"),
        ("aten::random_", None),
        ("prim::CallFunction", "__torch__.m.helper"),
    ]
    (call,) = nodes(found, "prim::CallFunction")
    assert call.keywords == ("from",)
    (member,) = nodes(found, "prim::EnumMember")
    assert member.attributes["member"] == "RED"


def test_function_as_a_value():
    found = program("def g(x: Tensor) -> Tensor:\n  f = __torch__.m.g\n  return torch.f(f)\n")
    function, call = found.function("__torch__.m.g").graph.walk()
    assert (function.kind, function.attributes) == ("prim::Function", {"name": "__torch__.m.g"})
    assert call.inputs == function.outputs


def test_stored_constants():
    stored = ["text", object()]
    found = program("def f() -> str:\n  return torch.f(CONSTANTS.c0, CONSTANTS.c1)\n", stored)
    *_, call = found.function("__torch__.m.f").graph.walk()
    assert [value.node.attributes["value"] for value in call.inputs] == stored


def test_strings_written_as_escaped_bytes():
    found = graph('return torch.f("\\303\\274", "ü", "\\n\\001")')
    (call,) = nodes(found, "aten::f")
    assert [value.node.attributes["value"] for value in call.inputs] == ["ü", "ü", "\n\x01"]


def test_source_positions():
    def f(x: Tensor, y: Tensor):
        z = x + y
        return torch.relu(z)

    first, second = [node for node in lowered(f).graph.walk() if node.kind.startswith("aten")]
    lines = [node.source.line for node in (first, second)]
    assert lines[1] == lines[0] + 1
    assert first.source.filename.endswith("test_graph.py")


def test_unused_records_are_not_parsed():
    broken = Program({"__torch__.m": CLASSES, "__torch__.broken": "def ("})
    assert broken.method("__torch__.m.M", "forward").graph.block.nodes
    with pytest.raises(ScriptError, match=r"code record __torch__\.broken does not parse"):
        broken.function("__torch__.broken.f")


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda p: p.function("__torch__.m.nothing"),
            "the archive has no function __torch__.m.nothing: "
            "code record __torch__.m does not define it",
        ),
        (
            lambda p: p.class_type("__torch__.other.X"),
            "the archive has no class __torch__.other.X: there is no code record __torch__.other",
        ),
        (
            lambda p: p.method("__torch__.m.C", "step"),
            "__torch__.m.C has no method 'step' in the archive",
        ),
    ],
)
def test_what_is_missing_is_named(ask, message):
    with pytest.raises(ScriptError) as error:
        ask(program(CLASSES))
    assert error.value.message == message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return y", "'y' is used before it is defined"),
        ("return x if n else x", "archive code that is not TorchScript: x if n else x"),
        ("for i in x:\n  pass\nreturn x", "archive code that is not TorchScript: for i in x:"),
        ("return CONSTANTS.c3", "the code refers to CONSTANTS.c3, the archive has 0 constants"),
        ("return torch.jit.f(x)", "archive code that is not TorchScript: torch.jit.f(x)"),
        ("if n:\n  return x\nreturn x", "archive code that is not TorchScript: return x"),
        ("return annotate(int)", "archive code that is not TorchScript: annotate(int)"),
        ("return torch.f(*x)", "archive code that is not TorchScript: *x"),
        ("return {**x}", "archive code that is not TorchScript: {**x}"),
        ("return lambda: x", "archive code that is not TorchScript: lambda: x"),
        ("a = b = x\nreturn x", "archive code that is not TorchScript: a = b = x"),
        ("import os\nreturn x", "archive code that is not TorchScript: import os"),
        ("return eval(x)", "archive code that is not TorchScript: eval(x)"),
    ],
)
def test_code_that_is_no_torchscript(body, message):
    with pytest.raises(ScriptError) as error:
        graph(body)
    assert error.value.message == message
    assert error.value.notes[-1] == "in __torch__.m.f"


def test_names_that_are_keywords():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = nn.ModuleDict({"is": nn.ReLU(), "in": nn.Tanh(), "from": nn.ReLU()})
            self.register_buffer("with", torch.ones(1))

        def forward(self, x: Tensor):
            for part in self.parts.values():
                x = part(x)
            return x + getattr(self, "with"), "self.is = from=1"

    found, name = saved_program(torch.jit.script(Net()))
    assert found.class_type(name).buffers == ["with"]
    names = [
        node.attributes["name"]
        for node in nodes(found.method(name, "forward").graph, "prim::GetAttr")
    ]
    assert names == ["parts", "is", "in", "from", "with"]


def test_optional_keywords_of_types():
    def f(d: dict[str, list[int]], o: float | None):
        return d, o

    parameters = lowered(f).parameters[1:]
    assert [str(p.type) for p in parameters] == ["Dict(str, int[])", "float?"]


@pytest.mark.parametrize("depth", [38, 39, 40, 41, 85, 130])
def test_blocks_nested_deeper_than_python_parses(depth):
    lines = ["def f(x: int) -> int:"]
    for level in range(depth):
        indent = "  " * (level + 1)
        lines += [f"{indent}if torch.eq(x, {level}):", f"{indent}  y{level} = {level}"]
        lines += [f"{indent}else:"]
    lines.append("  " * (depth + 1) + f"y{depth} = torch.neg(x)")
    for level in reversed(range(depth)):
        lines.append("  " * (level + 2) + f"y{level} = y{level + 1}")
    found = program("\n".join([*lines, "  return y0", ""])).function("__torch__.m.f").graph
    assert len(nodes(found, "prim::If")) == depth
    assert len(nodes(found, "aten::neg")) == 1
    offsets = [node._offset for node in nodes(found, "aten::eq")]
    text = "\n".join(lines)
    assert [text[offset:].split("(")[0] for offset in offsets] == ["torch.eq"] * depth

"""Classes and functions of an archive's code."""

from __future__ import annotations

import pytest

from exporter.archive import EnumMember
from exporter.errors import ScriptError
from exporter.torchscript.program import Program

CODE = """class Mode(Enum):
  NEAREST = "nearest"
  LINEAR = "linear"
def resize(size: int,
    mode: __torch__.m.Mode=__torch__.m.Mode.LINEAR,
    scale: Optional[float]=None) -> int:
  return size
def wrong(mode: int=__torch__.m.resize) -> int:
  return mode
"""


def test_default_arguments() -> None:
    """A default is a literal or a member of an enum."""
    program = Program({"__torch__.m": CODE})
    size, mode, scale = program.function("__torch__.m.resize").parameters
    assert not size.has_default
    assert mode.default == EnumMember("__torch__.m.Mode", "linear")
    assert scale.default is None
    with pytest.raises(ScriptError, match="not a constant"):
        program.function("__torch__.m.wrong")


@pytest.mark.parametrize("name", ["lambda", "try", "from"])
def test_keywords_as_names(name: str) -> None:
    """Also those that parse as what they are where an attribute is declared."""
    code = f"""class M(Module):
  {name} : Tensor
  finally : Tensor
  def forward(self: __torch__.M) -> Tensor:
    return self.finally
"""
    found = Program({"__torch__": code}).class_type("__torch__.M")
    assert list(found.attributes) == [name, "finally"]
    [node] = found.methods["forward"].graph.walk()
    assert (node.kind, node.attributes) == ("prim::GetAttr", {"name": "finally"})


def test_syntax_trees_are_let_go() -> None:
    """What has been read and lowered is answered for without them."""
    program = Program({"__torch__.m": CODE})
    assert program.class_type("__torch__.m.Mode") is program.class_type("__torch__.m.Mode")
    resize = program.function("__torch__.m.resize")
    assert resize.graph is program.function("__torch__.m.resize").graph
    assert program._find("__torch__.m.Mode") is None
    assert program._find("__torch__.m.resize") is None
    assert program.is_enum("__torch__.m.Mode")
    assert program.has_function("__torch__.m.resize")

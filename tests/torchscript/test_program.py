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

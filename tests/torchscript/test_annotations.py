"""Annotations are read as types, and types print as in TorchScript's IR."""

import ast

import pytest

from exporter.errors import ScriptError
from exporter.torchscript.annotations import annotation
from exporter.torchscript.schema import parse_type


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("Tensor", "Tensor"),
        ("List[int]", "int[]"),
        ("List[List[float]]", "float[][]"),
        ("Tuple[Tensor, int]", "(Tensor, int)"),
        ("Tuple[()]", "()"),
        ("Tuple[Tensor]", "(Tensor)"),
        ("Dict[str, Tensor]", "Dict(str, Tensor)"),
        ("Optional[Tensor]", "Tensor?"),
        ("Optional[List[int]]", "int[]?"),
        ("List[Optional[Tensor]]", "Tensor?[]"),
        ("Union[int, str]", "Union(int, str)"),
        ("Union[int, NoneType]", "int?"),
        ("number", "Scalar"),
        ("NoneType", "NoneType"),
        ("Device", "Device"),
        ("Any", "Any"),
        ("complex", "complex"),
        ("Future[Tensor]", "Future(Tensor)"),
        ("Final[int]", "int"),
        ("Capsule", "Capsule"),
        ("__torch__.a.___torch_mangle_3.B", "__torch__.a.___torch_mangle_3.B"),
    ],
)
def test_annotations(text, printed):
    assert str(annotation(ast.parse(text, mode="eval").body)) == printed


@pytest.mark.parametrize("text", ["1", "List[int, int]", "f()", "[int]", "Dict[str]"])
def test_what_is_no_annotation(text):
    with pytest.raises(ScriptError, match="not a type annotation"):
        annotation(ast.parse(text, mode="eval").body)


@pytest.mark.parametrize(
    "text", ["Tensor?[]", "int[]?", "Dict(str, (int, float[])[])", "Union(int, str)", "()"]
)
def test_printed_types_are_read_back(text):
    assert str(parse_type(text)) == text

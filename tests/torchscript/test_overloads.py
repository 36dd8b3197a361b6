"""The overload is the first that takes the argument types, as TorchScript tries them."""

import pytest

from exporter.torchscript.overloads import join, resolve, substituted
from exporter.torchscript.schema import parse_type
from exporter.torchscript.schemas import schemas_of


def types(text):
    return [parse_type(part) for part in text.split("; ")] if text else []


@pytest.mark.parametrize(
    ("name", "arguments", "keywords", "overload", "result"),
    [
        ("aten::add", "Tensor; Tensor", (), "Tensor", "Tensor"),
        ("aten::add", "Tensor; int", (), "Scalar", "Tensor"),
        ("aten::add", "Tensor; Tensor; int", ("alpha",), "Tensor", "Tensor"),
        ("aten::add", "Tensor; Tensor; Tensor", ("out",), "out", "Tensor"),
        ("aten::add", "int; int", (), "int", "int"),
        ("aten::add", "int; float", (), "int_float", "float"),
        ("aten::add", "str; str", (), "str", "str"),
        ("aten::add", "int[]; int[]", (), "t", "int[]"),
        ("aten::sum", "Tensor", (), "", "Tensor"),
        ("aten::sum", "Tensor; int[]", (), "dim_IntList", "Tensor"),
        ("aten::sum", "Tensor; int", (), "dim_IntList", "Tensor"),
        ("aten::max", "Tensor; int", (), "dim", "Tensor"),
        ("aten::append", "Tensor[]; Tensor", (), "t", "Tensor[]"),
        ("aten::__getitem__", "Dict(str, int[]); str", (), "Dict_str", "int[]"),
        ("aten::get", "Dict(int, str); int", (), "int", "str?"),
        ("aten::index", "Tensor; Tensor?[]", (), "Tensor", "Tensor"),
        ("aten::index", "int[]; int", (), "list_int", "int"),
        ("aten::size", "Tensor", (), "", "int[]"),
        ("aten::size", "Tensor; int", (), "int", "int"),
    ],
)
def test_overloads(name, arguments, keywords, overload, result):
    schema, bindings = resolve(schemas_of(name), types(arguments), keywords)
    assert schema.overload == overload
    assert substituted(schema.returns[0].type, bindings) == parse_type(result)


def test_no_overload():
    assert resolve(schemas_of("aten::relu"), types("str"), ()) is None
    assert resolve(schemas_of("aten::relu"), types("Tensor; Tensor"), ()) is None
    assert resolve(schemas_of("aten::add"), types("Tensor; Tensor"), ("beta",)) is None


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ("int; int", "int"),
        ("int; NoneType", "int?"),
        ("NoneType; int; NoneType", "int?"),
        ("int; str", "Union(int, str)"),
        ("(int, NoneType); (int, str)", "(int, str?)"),
        ("Any; int", "int"),
    ],
)
def test_join(parts, expected):
    assert join(types(parts)) == parse_type(expected)


def test_join_of_nothing():
    assert join([]) is None

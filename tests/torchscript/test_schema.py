"""Schemas print back as they were, and say what PyTorch's own parser says."""

import pytest
import torch

from exporter.errors import ScriptError
from exporter.torchscript.schema import parse_schema, parse_type
from exporter.torchscript.schemas import operator_names, schemas_of
from exporter.torchscript.types import (
    DictType,
    EnumerationType,
    GenericType,
    IntType,
    ListType,
    NumberType,
    OptionalType,
    StrType,
    TensorType,
    TupleType,
    TypeVariable,
)

SCHEMAS = torch._C._jit_get_all_schemas()


def test_all_schemas_print_back():
    assert [str(parse_schema(str(schema))) for schema in SCHEMAS] == list(map(str, SCHEMAS))


def test_all_schemas_say_what_pytorch_reads():
    for schema in SCHEMAS:
        parsed = parse_schema(str(schema))
        assert (parsed.name, parsed.overload) == (schema.name, schema.overload_name)
        assert [a.name for a in parsed.arguments] == [a.name for a in schema.arguments]
        assert len(parsed.returns) == len(schema.returns)
        for argument, reference in zip(parsed.arguments, schema.arguments, strict=True):
            assert argument.has_default == reference.has_default_value()
            if argument.has_default:
                assert argument.default == reference.default_value
                assert type(argument.default) is type(reference.default_value)
            assert argument.keyword_only == reference.kwarg_only
            alias = reference.alias_info
            assert argument.is_write == (alias is not None and alias.is_write)


def test_the_table_is_up_to_date():
    for name in operator_names():
        own = [str(schema) for schema in schemas_of(name)]
        assert own == list(map(str, torch._C._jit_get_schemas_for_operator(name))), (
            "run scripts/generate_schemas.py"
        )


def test_lookup():
    assert "Scalar" in [schema.overload for schema in schemas_of("aten::add")]
    assert schemas_of("nobody::knows") == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tensor?[]", ListType(OptionalType(TensorType()))),
        ("Tensor(a!)[]?", OptionalType(ListType(TensorType()))),
        ("SymInt[2]", ListType(IntType(), 2)),
        ("Dict(str, t)", DictType(StrType(), TypeVariable("t"))),
        ("(int, Scalar)[]", ListType(TupleType((IntType(), NumberType())))),
        ("Future(t)", GenericType("Future", (TypeVariable("t"),))),
        ("ScalarType?", OptionalType(EnumerationType("ScalarType"))),
    ],
)
def test_types(text, expected):
    assert parse_type(text) == expected


def test_handwritten_schemas():
    schema = parse_schema("conv(Tensor x, int[2] stride=1, float eps=1e-5) -> (Tensor Y, Tensor?)")
    assert schema.qualified_name == "aten::conv"
    assert [argument.default for argument in schema.arguments] == [None, [1, 1], 1e-5]
    assert [result.name for result in schema.returns] == ["Y", ""]
    assert parse_schema("my::f.out(Tensor x, *, Tensor(a!) out) -> ()").arguments[1].is_write


@pytest.mark.parametrize("text", ["", "aten::add", "add(Tensor x", "add(Tensor x)", "f(1 x) -> ()"])
def test_what_is_no_schema(text):
    with pytest.raises(ScriptError, match="not an operator schema"):
        parse_schema(text)

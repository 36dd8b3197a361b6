"""How inputs are written on the command line."""

import click
import pytest

from exporter import OptionalSpec, SequenceSpec, TensorSpec
from exporter.commands import notation


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("float32[batch,3]", TensorSpec("float32", ("batch", 3))),
        ("float32[ batch, 3 ]", TensorSpec("float32", ("batch", 3))),
        ("int64", TensorSpec("int64", ())),
        ("int64[]", TensorSpec("int64", ())),
        ("float32[...]", TensorSpec("float32", None)),
        ("list(float32)", SequenceSpec("float32")),
        ("list(float32[...])", SequenceSpec("float32")),
        ("list(float32[n,3])", SequenceSpec("float32", ("n", 3))),
        ("list(float32[])", SequenceSpec("float32", ())),
        ("optional(float32[3])", OptionalSpec(TensorSpec("float32", (3,)))),
        ("optional(int64)", OptionalSpec(TensorSpec("int64", ()))),
        ("optional(list(int64))", OptionalSpec(SequenceSpec("int64"))),
    ],
)
def test_specs(text: str, spec: object) -> None:
    assert notation.specs([f"x={text}"], "--input") == {"x": spec}


@pytest.mark.parametrize(
    "text",
    [
        "list(list(float32))",
        "optional(optional(float32))",
        "list(optional(float32[3]))",
        "list(float32",
        "tuple(float32)",
        "list()",
    ],
)
def test_what_is_no_spec(text: str) -> None:
    with pytest.raises(click.BadParameter, match='is not of the form "x=float32'):
        notation.specs([f"x={text}"], "--input")


def test_dtypes_within() -> None:
    with pytest.raises(click.BadParameter, match="there is no dtype 'float33'"):
        notation.specs(["x=optional(list(float33))"], "--input")


@pytest.mark.parametrize("text", ["list(float32[3])", "optional(float32[3])", "float32[...]"])
def test_states_are_tensors_of_a_shape(text: str) -> None:
    with pytest.raises(click.BadParameter, match='is not of the form "h=float32'):
        notation.tensor_specs([f"h={text}"], "--state")


def test_dotted_names() -> None:
    found = notation.nested({"x": 1, "d.a": 2, "d.b.0": 3, "d.b.1": 4})
    assert found == {"x": 1, "d": {"a": 2, "b": {"0": 3, "1": 4}}}

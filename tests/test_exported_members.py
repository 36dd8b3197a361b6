"""What is public is what `__all__` lists, and this list."""

from __future__ import annotations

import pytest

import exporter
from exporter import TensorSpec, export, register_symbolic
from symbolics.registry import overloads

PUBLIC = {
    "ArchiveError",
    "ConversionError",
    "ExportError",
    "Exported",
    "InputError",
    "NotTorchScriptError",
    "Report",
    "ScriptError",
    "TensorSpec",
    "SequenceSpec",
    "OptionalSpec",
    "UnsupportedError",
    "UnsupportedOperatorError",
    "VerificationError",
    "export",
    "load",
    "register_symbolic",
}


def test_all_is_the_public_list() -> None:
    """A new public name is a decision, made here as well."""
    assert set(exporter.__all__) == PUBLIC
    assert all(hasattr(exporter, name) for name in PUBLIC)


def test_register_symbolic_registers_once() -> None:
    """A second registration of an overload must say that it replaces the first."""

    def doubled(g, x):
        """Twice x."""
        return g.Mul(x, 2)

    schema = "exporter_tests::doubled(Tensor x) -> Tensor"
    assert register_symbolic(schema, doubled) is doubled
    assert [o.function for o in overloads("exporter_tests::doubled")] == [doubled]
    with pytest.raises(ValueError, match="already has a symbolic"):
        register_symbolic(schema, doubled)
    register_symbolic(schema, replace=True)(doubled)


@pytest.mark.parametrize(
    ("schema", "function", "match"),
    [
        ("halved", lambda g, x: x, "not an operator schema: 'halved'"),
        ("halved(Tensor x) -> Tensor", lambda g, x: x, "begins with a namespace"),
        ("exporter_tests::halved(Tensor x -> Tensor", lambda g, x: x, "a bracket is not closed"),
        ("exporter_tests::halved(Tensor x) -> Tensor", 5, "is no function: 5"),
        ("exporter_tests::halved(Tensor x) -> Tensor", lambda g, y: y, r"must take \(g, x\)"),
        ("exporter_tests::halved(Tensor x) -> Tensor", lambda g: g, r"must take \(g, x\)"),
    ],
)
def test_register_symbolic_refuses_what_can_not_be_called(schema, function, match) -> None:
    """Here, and not when the operator is first met."""
    with pytest.raises(ValueError, match=match):
        register_symbolic(schema, function)
    assert not overloads("exporter_tests::halved")


@pytest.mark.parametrize("opset", [8, 27])
def test_opset_out_of_range(opset: int) -> None:
    """The error says which opsets there are."""
    with pytest.raises(exporter.InputError, match="opsets 9 to 26"):
        export(b"", (TensorSpec("float32", (1,)),), opset_version=opset)

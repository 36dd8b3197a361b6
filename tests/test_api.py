"""What `export` takes for its parameters, and what it says of what it can't take."""

import io

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import exporter
from tests.conversion.harness import loaded

X = torch.ones(2, 3)


class Sum(nn.Module):
    """Two inputs of one shape."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ({0: "n"}, "[n, 3]"),
        ({-2: "n"}, "[n, 3]"),
        ({"0": "n"}, "[n, 3]"),
        ([0, 1], "[x_dynamic_axes_1, x_dynamic_axes_2]"),
        ((-1,), "[2, x_dynamic_axes_1]"),
        ([], "[2, 3]"),
        ({}, "[2, 3]"),
    ],
)
def test_forms_of_dynamic_axes(axes: object, shape: str) -> None:
    """By label, or as a list that gets labels by position."""
    result = exporter.export(nn.ReLU(), (X,), input_names=["x"], dynamic_axes={"x": axes})
    assert result.report.inputs == [("x", "float", shape)]


@pytest.mark.parametrize(
    ("axes", "match"),
    [
        ([("x", [0])], "dynamic_axes is a dict"),
        ({"x": 0}, "dynamic_axes of x is 0, neither a dict"),
        ({"x": "batch"}, "dynamic_axes of x is 'batch', neither a dict"),
        ({"x": None}, "dynamic_axes of x is None, neither a dict"),
        ({"x": {0: None}}, "{0: None} names no axis"),
        ({"x": {0: 3}}, "{0: 3} names no axis"),
        ({"x": {0: ""}}, "{0: ''} names no axis"),
        ({"x": {"first": "n"}}, "{'first': 'n'} names no axis"),
        ({"x": {0: "n", -2: "m"}}, "0 and -2 are one axis of x"),
        ({"x": {2: "n"}}, "x has 2 dims, so there is no axis 2"),
        ({"z": {0: "n"}}, "no input or output 'z'"),
    ],
)
def test_dynamic_axes_that_are_none(axes: object, match: str) -> None:
    with pytest.raises(exporter.InputError, match=match):
        exporter.export(Sum(), (X, X), dynamic_axes=axes)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"opset_version": "17"}, "a whole number, not '17'"),
        ({"opset_version": 17.0}, "a whole number, not 17.0"),
        ({"training": "TRAINING"}, "training is"),
        ({"opset_version": True}, "a whole number, not True"),
        ({"training": ["eval"]}, r"training is .* not \['eval'\]"),
        ({"kwargs": 5}, "kwargs is a dict of values by name, not a int"),
        ({"constants": ["y"]}, "constants is a dict of values by name, not a list"),
        ({"custom_opsets": {"mylib": "1"}}, "the version of mylib is a whole number, not '1'"),
        ({"unroll_trips": -1}, "unroll_trips is a number of trips, not -1"),
        ({"unroll_trips": None}, "unroll_trips is a whole number, not None"),
        ({"input_names": "xy"}, "input_names is a list of names, not 'xy'"),
        ({"input_names": ["a", None]}, "input_names has None, which is no name"),
        ({"input_names": ["a", "a"]}, "input_names has the name 'a' twice"),
        ({"input_names": ["a", ""]}, "input_names has an empty name"),
        ({"output_names": [""]}, "output_names has an empty name"),
        ({"input_names": ["a", "b", "c"]}, "3 input_names for 2 inputs"),
        ({"output_names": ["x"]}, "x is the name of an input"),
        ({"method": "other"}, "no method 'other'"),
        ({"state": {"h": "float32[3]"}}, r"state: h is 'float32\[3\]', not TensorSpec"),
        ({"path": 5}, "a path or a binary file, not to 5"),
        ({"path": io.StringIO()}, "not opened in binary mode"),
        ({"state": {"h": exporter.TensorSpec("float32", (3,))}}, "there is no state 'h'"),
    ],
)
def test_parameters_that_do_not_fit(options: dict[str, object], match: str) -> None:
    with pytest.raises(exporter.InputError, match=match):
        exporter.export(Sum(), (X, X), **options)


def test_an_opset_may_be_numpys() -> None:
    result = exporter.export(Sum(), (X, X), opset_version=np.int64(17))
    assert result.model.opset_imports[""] == 17


def test_an_axis_that_an_output_has_not() -> None:
    """It names nothing; of an input it would be an error."""
    result = exporter.export(Sum(), (X, X), dynamic_axes={"output": {2: "n"}})
    assert result.report.warnings == ["dynamic_axes: output has 2 dims, so there is no axis 2"]


class Reads(nn.Module):
    """A module with a method that files have, too."""

    def read(self, x: Tensor) -> Tensor:
        return x * 2

    def forward(self, x: Tensor) -> Tensor:
        return self.read(x)


def test_a_module_that_reads() -> None:
    """It is no file object."""
    assert exporter.export(Reads(), (X,)).report.node_count == 1


def test_a_tensor_as_constant_of_a_script() -> None:
    """It is taken as arrays are."""
    scripted = torch.jit.script(Sum())
    result = exporter.export(scripted, (X,), constants={"y": X * 3})
    assert [name for name, *_ in result.report.inputs] == ["x"]
    (found,) = loaded(result).run(None, {"x": X.numpy()})
    np.testing.assert_array_equal(found, X * 4)


@pytest.mark.parametrize("dtype", [torch.float16, np.float16, np.dtype("float16"), "half"])
def test_a_dtype_may_be_pytorchs_or_numpys(dtype: object) -> None:
    spec = exporter.TensorSpec(dtype, ["n", np.int64(3)])
    assert (spec.onnx_dtype.name, spec.shape) == ("FLOAT16", ("n", 3))


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("float33", (3,)), "there is no dtype 'float33'"),
        (("string", (3,)), "there is no dtype 'string'"),
        ((None, (3,)), "there is no dtype 'None'"),
        (("float32", 3), r'a shape is a tuple such as \("batch", 3\), not 3'),
        (("float32", "ab"), "a shape is a tuple .* not 'ab'"),
        (("float32", (-1, 3)), "a dim is a size, or a name if it is dynamic, not -1"),
        (("float32", (None,)), "a dim is a size, or a name if it is dynamic, not None"),
        (("float32", (2.0,)), "not 2.0"),
        (("float32", ("",)), "not ''"),
    ],
)
@pytest.mark.parametrize("kind", [exporter.TensorSpec, exporter.SequenceSpec])
def test_what_is_no_spec(kind: type, arguments: tuple[object, ...], match: str) -> None:
    """It is said where it is written."""
    with pytest.raises(exporter.InputError, match=match):
        kind(*arguments)


def test_an_optional_holds_a_spec() -> None:
    with pytest.raises(exporter.InputError, match="not 'float32'"):
        exporter.OptionalSpec("float32")


class Modes(nn.Module):
    """What a trace decides by the values of its arguments."""

    def forward(
        self, x: Tensor, n: int, flag: bool = False, mode: str = "add", y: Tensor | None = None
    ) -> Tensor:
        if y is not None:
            return x * y
        if mode == "add":
            return x + n if flag else x - n
        return x * n


@pytest.mark.parametrize(
    ("args", "constants", "names", "expected"),
    [
        ((X,), {"n": 3, "flag": True}, ["x"], X + 3),
        ((X, 5), {"flag": False}, ["x", "n"], X - 5),
        ((X, 5), {"n": 3}, ["x"], X - 3),
        ((X,), {"n": 3, "mode": "mul"}, ["x"], X * 3),
        ((X, 1), {"y": X * 2}, ["x", "n"], X * 2),
        ((), {"x": X, "n": 2, "y": None}, [], X - 2),
    ],
)
def test_constants_of_a_module_that_is_traced(
    args: tuple[object, ...], constants: dict[str, object], names: list[str], expected: Tensor
) -> None:
    """They are passed to it as they are, so that it can branch by them, and are no inputs."""
    result = exporter.export(Modes(), args, constants=constants)
    ports = [name for name, *_ in result.report.inputs]
    assert ports == names
    feeds = {"x": X.numpy(), "n": np.array(5)}
    (found,) = loaded(result).run(None, {name: feeds[name] for name in ports})
    np.testing.assert_array_equal(found, expected)


def test_a_constant_that_the_module_does_not_take() -> None:
    with pytest.raises(exporter.ExportError, match="unexpected keyword argument 'm'"):
        exporter.export(Modes(), (X, 2), constants={"m": 3})

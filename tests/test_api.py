"""What `export` takes for its parameters, and what it says of what it can't take."""

import pytest
import torch
from torch import Tensor, nn

import exporter

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
        ({"input_names": ["a", "a"]}, "'a'"),
        ({"input_names": ["a", ""]}, "input_names has an empty name"),
        ({"output_names": [""]}, "output_names has an empty name"),
        ({"input_names": ["a", "b", "c"]}, "3 input_names for 2 inputs"),
        ({"output_names": ["x"]}, "x is the name of an input"),
        ({"method": "other"}, "no method 'other'"),
        ({"state": {"h": exporter.TensorSpec("float32", (3,))}}, "there is no state 'h'"),
    ],
)
def test_parameters_that_do_not_fit(options: dict[str, object], match: str) -> None:
    with pytest.raises(exporter.InputError, match=match):
        exporter.export(Sum(), (X, X), **options)

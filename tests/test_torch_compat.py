"""`torch_compat.export` takes the calls that `torch.onnx.export` took, and means the same."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import exporter
from exporter import torch_compat

X, Y = torch.randn(2, 3), torch.randn(2, 3)
TrainingMode, ExportTypes = torch.onnx.TrainingMode, torch.onnx.OperatorExportTypes


class Weighted(nn.Module):
    """Arguments that may be left out."""

    def forward(self, x: Tensor, y: Tensor | None = None, n: int = 2) -> Tensor:
        return x * n if y is None else x * n + y


class Scaled(nn.Module):
    """A number."""

    def forward(self, x: Tensor, n: int) -> Tensor:
        return x * n


class OfDict(nn.Module):
    """A dict behind a tensor."""

    def forward(self, x: Tensor, d: dict[str, Tensor]) -> Tensor:
        return x + d["a"] - 2 * d["b"]


class OfList(nn.Module):
    """A list is one argument."""

    def forward(self, xs: list[Tensor]) -> Tensor:
        return xs[0] - xs[1]


ARGUMENTS = [
    (Weighted(), X, {}),
    (Weighted(), (X, Y, 3), {}),
    (Weighted(), (X, None, 3), {}),
    (Weighted(), (X, {"y": Y, "n": 3}), {}),
    (Weighted(), (X, {"n": 3}), {}),
    (Weighted(), {"n": 3, "x": X}, {}),
    (Weighted(), (X,), {"kwargs": {"n": 3, "y": Y}}),
    (Weighted(), (), {"kwargs": {"n": 3, "y": Y, "x": X}}),
    (OfDict(), (X, {"b": Y, "a": X}, {}), {}),
    (OfDict(), (X, {"b": Y, "a": X}), {"kwargs": {}}),
    (OfList(), [X, Y], {}),
    (OfList(), ([X, Y],), {}),
    (torch.jit.script(Scaled()), (X, {"n": 3}), {}),
    (torch.jit.script(Scaled()), (X,), {"kwargs": {"n": 3}}),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("model", "args", "options"), ARGUMENTS)
def test_arguments(model: Any, args: Any, options: dict[str, Any]) -> None:
    """The same inputs in the same order; a default that PyTorch makes an input stays a constant."""
    theirs, ours = BytesIO(), BytesIO()
    torch.onnx.export(model, args, theirs, dynamo=False, **options)
    torch_compat.export(model, args, ours, **options)
    sessions = [onnxruntime.InferenceSession(file.getvalue()) for file in (theirs, ours)]
    wanted, found = ([(p.type, p.shape) for p in s.get_inputs()] for s in sessions)
    assert found in (wanted, wanted[:-1])
    tensors = iter([X.numpy(), Y.numpy(), X.numpy()])
    values = [
        next(tensors) if shape else np.array(3 if found == wanted else 2) for _, shape in wanted
    ]
    expected, actual = (
        session.run(None, dict(zip([p.name for p in session.get_inputs()], values, strict=False)))
        for session in sessions
    )
    for a, b in zip(expected, actual, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_everything_by_position(tmp_path: Path) -> None:
    """The order of PyTorch before 2.5."""
    path = tmp_path / "m.onnx"
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))
    axes: Mapping[str, Mapping[int, str]] = {"x": {0: "n"}}
    torch_compat.export(
        model, X, path, True, True, TrainingMode.TRAINING, ["x"], ["y"], ExportTypes.ONNX, 17, True,
        axes, True, {"mine": 2}, False, True,
    )  # fmt: skip
    found = onnx.load(path)
    assert [value.name for value in found.graph.input] == ["x", "0.weight", "0.bias"]
    assert [value.name for value in found.graph.output] == ["y"]
    assert found.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "n"
    assert found.opset_import[0].version == 17
    assert "Dropout" in {node.op_type for node in found.graph.node}


@pytest.mark.parametrize(
    ("training", "dropped"),
    [
        (None, False),
        (False, False),
        (True, True),
        ("preserve", True),
        (TrainingMode.EVAL, False),
        (TrainingMode.PRESERVE, True),
        (TrainingMode.TRAINING, True),
    ],
)
def test_training(training: object, dropped: bool) -> None:
    """A bool was taken once; the module is in training mode before and after."""
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)).train()
    result = torch_compat.export(model, X, training=training)
    assert ("Dropout" in result.report.operators) == dropped
    assert model[1].training


def test_names_of_axes_that_are_not_there_are_left_out() -> None:
    """PyTorch warned of them."""
    axes = {"x": [0], "y": {1: "m"}, "z": {0: "n"}}
    with pytest.warns(UserWarning, match="dynamic_axes: z is no name"):
        result = torch_compat.export(
            nn.Linear(3, 3), X, input_names=["x"], output_names=["y"], dynamic_axes=axes
        )
    assert result.report.inputs == [("x", "float", "[x_dynamic_axes_1, 3]")]
    assert set(axes) == {"x", "y", "z"}
    unnamed = torch_compat.export(nn.Linear(3, 3), X, dynamic_axes={"input": {0: "n"}})
    assert unnamed.report.inputs == [("input", "float", "[n, 3]")]


def test_what_has_gone_is_taken_and_said() -> None:
    """Parameters of old releases, and those of the other exporter."""
    model = nn.Linear(3, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch_compat.export(model, X, dynamo=True, optimize=True, strip_doc_string=True)
        torch_compat.export(model, X, operator_export_type=ExportTypes.ONNX, aten=False)
    for name, value in (
        ("example_outputs", X),
        ("report", True),
        ("autograd_inlining", False),
        ("export_modules_as_functions", {nn.Linear}),
        ("operator_export_type", ExportTypes.ONNX_ATEN_FALLBACK),
    ):
        with pytest.warns(UserWarning, match=name):
            torch_compat.export(model, X, **{name: value})


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"dynamic_shapes": {"x": {0: "n"}}}, "name the dynamic axes in dynamic_axes"),
        ({"custom_translation_table": {torch.add: torch.add}}, "register_symbolic"),
        ({"operator_export_type": ExportTypes.ONNX_ATEN}, "ONNX_ATEN can't be used here"),
        ({"aten": True}, "no ONNX"),
        ({"input_names": ["x", "weight", "bias"]}, "3 input_names for 1 inputs"),
        ({"training": "evaluation"}, "training is"),
    ],
)
def test_what_can_not_be_done_is_an_error(options: dict[str, Any], match: str) -> None:
    with pytest.raises(exporter.InputError) as caught:
        torch_compat.export(nn.Linear(3, 3), X, **options)
    assert match in str(caught.value)


def test_a_misspelt_parameter() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'opset'"):
        torch_compat.export(nn.Linear(3, 3), X, opset=17)


def test_external_data(tmp_path: Path) -> None:
    """Beside the file where that is asked for in the old words."""
    torch_compat.export(nn.Linear(30, 300), torch.randn(1, 30), tmp_path / "in.onnx")
    torch_compat.export(
        nn.Linear(30, 300), torch.randn(1, 30), tmp_path / "out.onnx", use_external_data_format=True
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "in.onnx",
        "out.onnx",
        "out.onnx.data",
    ]

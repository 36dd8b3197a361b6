"""Verification of converted archives: what it compares, what it finds, what it claims."""

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
import torch

from exporter import Exported, TensorSpec, VerificationError, export
from exporter.archive import open_archive
from exporter.errors import InputError
from exporter.torchscript.loaded import Loaded
from exporter.verification import CallPlan, verify_arrays, verify_export
from models import ARCHIVES
from models.recording import Recording

RESNET, GATE = ARCHIVES / "resnet18.pt", ARCHIVES / "decision_gate.pt"
STATEFUL = ARCHIVES / "running_mean.pt"


pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def recording(archive: Path) -> Recording:
    return Recording.load(archive.with_suffix(".npz"))


def plan_of(archive: Path, args=None, **constants) -> CallPlan:
    return CallPlan.of(Loaded.of(open_archive(archive)), "forward", args, {}, constants)


def broken(exported: Exported) -> Exported:
    """The same model with an operator replaced by another."""
    for node in ir.traversal.RecursiveGraphIterator(exported.model.graph):
        if node.op_type in ("Neg", "Add", "Sub"):
            node.op_type = {"Neg": "Identity", "Add": "Sub", "Sub": "Add"}[node.op_type]
    return exported


def test_arrays_that_agree() -> None:
    call = recording(RESNET).calls[0]
    result = verify_arrays(export(RESNET), call.inputs, call.outputs)
    assert result.reference == "the given arrays"
    assert result.runs[0].max_abs < 1e-4
    assert result.summary.startswith("agrees with the given arrays (as given)")


def test_state_may_be_given_or_left_out() -> None:
    recorded = recording(STATEFUL)
    call = recorded.calls[0]
    exported = export(STATEFUL, recorded.example())
    verify_arrays(exported, call.inputs, call.outputs)
    named = {"x": call.inputs[0], "mean": recorded.state[0], "count": recorded.state[1]}
    result = verify_arrays(exported, named, call.outputs[:1])
    assert result.notes == ["not compared: mean_out, count_out"]


@pytest.mark.parametrize(
    ("inputs", "expected", "message"),
    [
        ({"z": np.zeros(1)}, [], "the model has no input z"),
        ({}, [], "no arrays for the inputs x"),
        ([np.zeros(1), np.zeros(1)], [], "2 input arrays for 1 inputs"),
        ([np.zeros((1, 3, 20, 20), np.float32)], [], "nothing to compare with"),
    ],
)
def test_arrays_that_do_not_fit(inputs, expected, message) -> None:
    with pytest.raises(InputError, match=message):
        verify_arrays(export(RESNET), inputs, expected)


def test_a_smoke_run_says_that_it_is_one() -> None:
    exported = export(RESNET, dynamic_axes={"x": {0: "batch"}})
    result = verify_export(exported, plan_of(RESNET))
    assert result.reference is None
    assert [run.what for run in result.runs] == ["as given", "batch=2"]
    assert result.summary == (
        "smoke run only, values not compared: runs in onnxruntime (as given, batch=2)"
    )


def test_a_smoke_run_feeds_the_state_back() -> None:
    args = recording(STATEFUL).example()
    result = verify_export(export(STATEFUL, args), plan_of(STATEFUL, args))
    assert result.reference is None


def test_a_model_that_does_not_run() -> None:
    exported = export(GATE, (TensorSpec("float32", (4,)),))
    plan = plan_of(GATE, (TensorSpec("float32", (5,)),))
    with pytest.raises(VerificationError, match="onnxruntime can't run the model") as raised:
        verify_export(exported, plan)
    assert raised.value.notes == ["inputs: x [5]"]


def test_pytorch_agrees_on_every_axis() -> None:
    args = (TensorSpec("float32", ("rows", "columns")),)
    result = verify_export(export(GATE, args), plan_of(GATE, args), pytorch=GATE)
    assert result.reference == "PyTorch"
    what = [run.what.partition("=")[0] for run in result.runs]
    assert what == ["as given", "rows", "columns"]


def test_pytorch_agrees_on_several_calls_with_state() -> None:
    args = recording(STATEFUL).example()
    exported = export(STATEFUL, args, verify=True)
    assert [run.what for run in exported.verification.runs] == ["as given", "call 2", "call 3"]


@pytest.mark.parametrize("archive", [GATE, STATEFUL])
def test_a_wrong_model_is_found(archive) -> None:
    args = recording(archive).example()
    if archive is GATE:
        args = (-np.ones_like(args[0]),)
    exported = broken(export(archive, args))
    with pytest.raises(VerificationError, match="other results than the reference") as raised:
        verify_export(exported, plan_of(archive, args), pytorch=archive)
    assert "largest absolute error" in str(raised.value)


def test_sizes_that_the_program_itself_refuses_are_noted() -> None:
    """A trace that has baked in a size is no fault of the conversion."""

    class Fixed(torch.nn.Module):
        def forward(self, x):
            return x.reshape(2, 3) + 1

    exported = export(Fixed(), (torch.ones(3, 2),), dynamic_axes={"x": {0: "rows"}}, verify=True)
    assert [run.what for run in exported.verification.runs] == ["as given"]
    (note,) = exported.verification.notes
    assert note.startswith("the program itself does not run at rows=6: ")


def test_lists_of_run_time_length() -> None:
    @torch.jit.script
    def steps(x, n: int):
        out = [x]
        for i in range(n):
            out.append(x + i)
        return out

    exported = export(steps, (torch.ones(2), 3), verify=True)
    assert exported.verification.reference == "PyTorch"


def test_inputs_that_the_program_refuses() -> None:
    args = (TensorSpec("float32", (4,)),)
    exported = export(STATEFUL, recording(STATEFUL).example())
    with pytest.raises(VerificationError, match="PyTorch can't run the program on these inputs"):
        verify_export(exported, plan_of(STATEFUL, args), pytorch=STATEFUL)


def test_nothing_is_written_where_the_verification_fails(tmp_path, monkeypatch) -> None:
    def differs(*_, **__):
        raise VerificationError("differs")

    monkeypatch.setattr("exporter.verification.verify_export", differs)
    with pytest.raises(VerificationError):
        export(RESNET, path=tmp_path / "out.onnx", verify=True)
    assert list(tmp_path.iterdir()) == []

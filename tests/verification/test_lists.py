"""Verification of models whose inputs are lists of any length or may be None."""

import io

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from exporter import OptionalSpec, SequenceSpec, TensorSpec, VerificationError, export
from exporter.archive import open_archive
from exporter.errors import InputError
from exporter.torchscript.loaded import Loaded
from exporter.verification import CallPlan, verify_arrays, verify_export
from tests.conversion.harness import script

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ARGS = (
    TensorSpec("float32", ("n", 2)),
    SequenceSpec("float32", ("k", 2)),
    SequenceSpec("int64"),
    OptionalSpec(TensorSpec("float32", ("n", 2))),
)
X = np.array([[1.0, -2.0], [3.0, 0.5]], np.float32)


class Rows(nn.Module):
    def forward(self, x, xs: list[Tensor], ns: list[int], bias: Tensor | None):
        out: list[Tensor] = []
        for t in xs:
            out.append(t * 2)
        more: list[int] = []
        for n in ns:
            more.append(n + 1)
        if bias is not None:
            x = x + bias
        y: Tensor | None = None
        if bias is None:
            y = x
        return out, more, y, x


@pytest.fixture(scope="module")
def archive() -> bytes:
    content = io.BytesIO()
    torch.jit.save(script(Rows()), content)
    return content.getvalue()


def test_lengths_and_absence_are_varied(archive: bytes) -> None:
    verification = export(archive, ARGS, verify=True).verification
    assert verification is not None
    assert verification.reference == "PyTorch"
    whats = [run.what for run in verification.runs]
    assert whats == [
        "as given",
        "n=5",
        "ns_length=5",
        "xs of length 0",
        "xs of length 3",
        "xs of length 1",
        "bias=None",
    ]
    assert verification.notes == []


def test_a_smoke_run_varies_them_too(archive: bytes) -> None:
    exported = export(archive, ARGS)
    plan = CallPlan.of(Loaded.of(open_archive(archive)), "forward", ARGS, {}, {})
    verification = verify_export(exported, plan)
    assert verification.reference is None
    assert [run.what for run in verification.runs][-2:] == ["xs of length 1", "bias=None"]


def test_lengths_that_the_program_refuses_are_noted() -> None:
    def program(xs: list[Tensor]):
        return torch.cat(xs)

    content = io.BytesIO()
    torch.jit.save(script(program), content)
    args = (SequenceSpec("float32", ("k", 2)),)
    verification = export(content.getvalue(), args, verify=True).verification
    assert verification is not None
    assert "does not run at xs of length 0" in verification.notes[0]


def test_a_model_that_is_wrong_for_an_empty_list(archive: bytes) -> None:
    exported = export(archive, ARGS)
    for node in exported.model.graph.all_nodes():
        if node.op_type == "OptionalHasElement":
            node.outputs[0].name = "was"
            exported.model.graph.insert_after(node, inverted(node))
    plan = CallPlan.of(Loaded.of(open_archive(archive)), "forward", ARGS, {}, {})
    with pytest.raises(VerificationError):
        verify_export(exported, plan, pytorch=archive)


def inverted(node):
    """A Not behind a node, in whose place it is used."""
    import onnx_ir as ir  # noqa: PLC0415  by this test alone

    result = ir.Node("", "Not", [node.outputs[0]])
    node.outputs[0].replace_all_uses_with(result.outputs[0])
    result.replace_input_with(0, node.outputs[0])
    result.outputs[0].type = ir.TensorType(ir.DataType.BOOL)
    return result


def test_arrays_by_the_names_of_items(archive: bytes) -> None:
    exported = export(archive, ARGS)
    inputs = {"x": X, "xs.0": X, "xs.1": X[:1], "ns": np.array([3, 4])}
    expected = {
        "output_0.0": X * 2,
        "output_0.1": X[:1] * 2,
        "output_1": np.array([4, 5]),
        "output_2": X,
        "output_3": X,
    }
    verify_arrays(exported, inputs, expected)
    verify_arrays(
        exported, {**inputs, "bias": X}, {"output_3": X * 2, "output_1": expected["output_1"]}
    )
    with pytest.raises(VerificationError, match="does not give output_2 on these inputs"):
        verify_arrays(exported, {**inputs, "bias": X}, expected)
    with pytest.raises(VerificationError, match=r"does not give output_0\.1"):
        verify_arrays(exported, {"x": X, "xs.0": X, "ns": inputs["ns"]}, expected)
    with pytest.raises(VerificationError, match=r"gives output_0\.1 as well"):
        verify_arrays(exported, inputs, {"output_0.0": X * 2})
    with pytest.raises(InputError, match=r"the model has no input xs\.a"):
        verify_arrays(exported, {"xs.a": X}, expected)


def test_examples_by_the_names_of_items(archive: bytes) -> None:
    plan = CallPlan.of(Loaded.of(open_archive(archive)), "forward", ARGS, {}, {})
    names = ["x", "xs", "ns", "bias"]
    plan.use(names, {"xs.1": X[:1], "xs.0": X, "ns": np.array([7])})
    assert [t.shape for t in plan.examples[1]] == [(2, 2), (1, 2)]
    assert plan.arguments(plan.examples)["ns"] == [7]
    with pytest.raises(InputError, match="the model has no input ys"):
        plan.use(names, {"ys.0": X})

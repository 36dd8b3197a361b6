"""What `problem_with` finds in an ONNX file; works without PyTorch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest

from models.judging import problem_with
from models.recording import RecordedCall, Recording
from models.registry import Model

X = np.arange(6, dtype=np.float32).reshape(2, 3)
PLAIN = Model("plain", "", ("scripted",), ("x",), ("y",), {"x": {0: "n"}})
DOUBLES = "y = Add(x, x)"
CALLS = [(X, 2 * X), (X[:1], 2 * X[:1])]


def verdict(
    folder: Path,
    signature: str,
    body: str,
    model: Model = PLAIN,
    calls: Sequence[tuple[np.ndarray, ...]] = CALLS,
    state: Sequence[np.ndarray] = (),
) -> str | None:
    text = f'<ir_version: 8, opset_import: ["" : 17]> g {signature} {{ {body} }}'
    onnx.save(onnx.parser.parse_model(text), folder / "m.onnx")
    recorded = [RecordedCall([x], list(outputs)) for x, *outputs in calls]
    return problem_with(folder / "m.onnx", model, Recording(recorded, list(state)))


def test_right(tmp_path: Path) -> None:
    assert verdict(tmp_path, "(float[n, 3] x) => (float[n, 3] y)", DOUBLES) is None


def test_state_is_fed_from_call_to_call(tmp_path: Path) -> None:
    model = Model("sum", "", ("scripted",), ("x",), ("y",), state=("total",))
    calls = [(X, X, X), (X, 2 * X, 2 * X)]
    signature = "(float[2, 3] x, float[2, 3] total) => (float[2, 3] y, float[2, 3] total_out)"
    body = "y = Add(x, total)  total_out = Identity(y)"
    assert verdict(tmp_path, signature, body, model, calls, [0 * X]) is None
    assert verdict(tmp_path, signature, body, model, calls, [X]) is not None


@pytest.mark.parametrize(
    ("signature", "body", "said"),
    [
        ("(float[n, 3] x) => (float[n, 3] y)", "y = Add(x, z)", "checker: "),
        ("(float[n, 3] z) => (float[n, 3] y)", "y = Add(z, z)", "signature: inputs ['x'] expected"),
        ("(float[n, 3] x) => (float[n, 3] z)", "z = Add(x, x)", "signature: outputs ['y']"),
        ("(float[m, 3] x) => (float[m, 3] y)", DOUBLES, "is declared ['m', 3], not ['n', 3]"),
        ("(float[n, 3] x) => (float[2, 3] y)", DOUBLES, "call 1: output y is declared [2, 3]"),
        ("(float[n, 3] x) => (float[n, 3] y)", "y = Neg(x)", "call 0: output 0: values differ"),
        (
            "(float[n, 3] x) => (float[n, k] y)",
            "s = Constant<value_ints = [5]>() y = Reshape(x, s)",
            "call 0: ",
        ),
    ],
)
def test_wrong(tmp_path: Path, signature: str, body: str, said: str) -> None:
    assert said in (verdict(tmp_path, signature, body) or "")


def test_opset_26_runs(tmp_path: Path) -> None:
    """The newest opset is one that the installed onnxruntime knows."""
    graph = "g (float[n, 3] x) => (float[n, 3] y) { y = Add(x, x) }"
    text = f'<ir_version: 10, opset_import: ["" : 26]> {graph}'
    onnx.save(onnx.parser.parse_model(text), tmp_path / "m.onnx")
    recording = Recording([RecordedCall([X], [2 * X])])
    assert problem_with(tmp_path / "m.onnx", PLAIN, recording) is None


def test_missing_shape_is_for_open_ranks_alone(tmp_path: Path) -> None:
    """The checker's complaint is accepted where the rank depends on the data, and only that one."""
    open_rank = Model("open", "", ("scripted",), ("x",), ("y",), {"x": {0: "n"}}, open_rank=True)
    signature = "(float[n, 3] x) => (float y)"
    graph = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 17]> g {signature} {{ {DOUBLES} }}'
    )
    graph.graph.output[0].type.tensor_type.ClearField("shape")
    onnx.save(graph, tmp_path / "m.onnx")
    recording = Recording([RecordedCall([X], [2 * X])])
    assert problem_with(tmp_path / "m.onnx", open_rank, recording) is None
    said = problem_with(tmp_path / "m.onnx", PLAIN, recording)
    assert said is not None
    assert "Field 'shape'" in said

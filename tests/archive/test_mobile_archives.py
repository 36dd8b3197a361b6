"""Archives of `torch.utils.mobile_optimizer`, whose layers have weights packed for XNNPACK."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from exporter import TensorSpec, export

RECORDED = Path(__file__).parent / "recorded"


@pytest.mark.parametrize("opset", [9, 20])
@pytest.mark.parametrize("name", ["mobile_traced.pt", "mobile_scripted.ptl"])
def test_gives_the_recorded_results(name: str, opset: int, tmp_path: Path) -> None:
    """Of PyTorch 1.13; the second holds the lite interpreter's bytecode as well."""
    recorded = np.load(RECORDED / "mobile.npz")
    spec = TensorSpec("float32", ("batch", 3, 9, 8))
    export(RECORDED / name, (spec,), tmp_path / "model.onnx", opset_version=opset)
    session = onnxruntime.InferenceSession(
        tmp_path / "model.onnx", providers=["CPUExecutionProvider"]
    )
    (parameter,) = session.get_inputs()
    for rows in (2, 1):
        (found,) = session.run(None, {parameter.name: recorded["x"][:rows]})
        np.testing.assert_allclose(found, recorded["y"][:rows], rtol=1e-4, atol=1e-6)

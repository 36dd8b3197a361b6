"""onnx_ir without sympy behaves as with it."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from exporter import export
assert "sympy" not in sys.modules
import onnx_ir as ir
shape = ir.Shape(["n", 3])
value = ir.Value(name="x", type=ir.TensorType(ir.DataType.FLOAT), shape=shape)
graph = ir.Graph([value], [value], nodes=[], opset_imports={"": 20}, name="g")
model = ir.serde.deserialize_model(ir.serde.serialize_model(ir.Model(graph, ir_version=10)))
assert str(model.graph.inputs[0].shape[0]) == "n"
assert not any(name.startswith("sympy") for name in sys.modules)
assert str(shape[0] + 1) == "n + 1", str(shape[0] + 1)
assert str(ir.SymbolicDim("max(n, 3)") * 2) in ("2*Max(3, n)", "2*max(3, n)", "2*max(n, 3)")
import sympy
assert sympy.Symbol("n") + 1 == 1 + sympy.Symbol("n")
"""


def test_dims_work_and_sympy_comes_when_they_compute() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)

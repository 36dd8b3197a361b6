"""`torch.autograd.grad`: gradients as part of a program, such as the forces of a potential.

The rules are ONNX operators' (`exporter/onnx_graph/derivatives`), so that what is computed on the
way may be of any kind, and gradients can be differentiated once more.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.derivatives import gradients, variable
from exporter.onnx_graph.values import Tensor
from symbolics.creation.creation import filled
from symbolics.registry import Unsupported, symbolic

__all__: list[str] = []


@symbolic(
    "aten::grad(Tensor[] outputs, Tensor[] inputs, Tensor?[]? grad_outputs=None, bool? retain_graph=None, bool create_graph=False, bool allow_unused=False) -> Tensor?[]"
)
def grad(
    g: Builder,
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    grad_outputs: Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> list[Tensor | None]:
    """The gradients of outputs, weighted by `grad_outputs` (1 for 0-d outputs), to inputs.

    An input that no output depends on has None, if that is allowed.
    """
    weights = [None] * len(outputs) if grad_outputs is None else list(grad_outputs)
    if len(weights) != len(outputs):
        raise Unsupported(f"grad of {len(outputs)} outputs with {len(weights)} grad_outputs")
    starts = []
    for output, weight in zip(outputs, weights, strict=True):
        if weight is None and output.shape not in ((), (1,)):
            raise Unsupported("grad of an output with dims needs its grad_outputs")
        starts.append(
            filled(g, output.require_shape(), 1.0, output.dtype) if weight is None else weight
        )
    found = gradients(g, outputs, starts, inputs)
    if not allow_unused and any(f is None for f in found):
        raise Unsupported("grad to a tensor that the outputs do not depend on")
    if create_graph:
        return found
    return [f if f is None or f.array is not None else variable(g, f) for f in found]

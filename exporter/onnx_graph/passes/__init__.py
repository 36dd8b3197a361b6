"""What is done to a finished graph, in this order (`optimize`).

    neutral            x + 0, x * 1 and their like
    casts              Cast of a Cast, where the first loses nothing
    batch_norm         Conv + BatchNormalization -> Conv
    identities         Identity nodes that nothing needs
    subexpressions     equal nodes with equal inputs
    unused nodes       onnx_ir's own pass: dead nodes and initializers, before these and after

onnx_ir's own passes for identities and common subexpressions are not used (1.1): the first makes a
body return a value from outside it, which ONNX forbids; the second merges draws of Bernoulli and
Dropout, and stays out of bodies.
"""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from exporter.onnx_graph.passes.batch_norm import FoldBatchNormPass
from exporter.onnx_graph.passes.casts import CastChainPass
from exporter.onnx_graph.passes.identities import IdentityPass
from exporter.onnx_graph.passes.neutral import NeutralOperandPass
from exporter.onnx_graph.passes.subexpressions import CommonSubexpressionPass

__all__ = [
    "CastChainPass",
    "CommonSubexpressionPass",
    "FoldBatchNormPass",
    "IdentityPass",
    "NeutralOperandPass",
    "optimize",
]


def optimize(model: ir.Model, *, fold_weights: bool = True) -> None:
    """Run all passes over a model, in place.

    `fold_weights` says whether weights may be changed (by a BatchNormalization behind them), and
    nodes go because of what they hold.
    """
    passes: list[ir.passes.PassBase] = [RemoveUnusedNodesPass()]
    if fold_weights:
        passes += [NeutralOperandPass(), CastChainPass(), FoldBatchNormPass()]
    else:
        passes.append(CastChainPass())
    passes += [IdentityPass(), CommonSubexpressionPass()]
    changes = [each(model).modified for each in passes]
    if any(changes):
        RemoveUnusedNodesPass()(model)

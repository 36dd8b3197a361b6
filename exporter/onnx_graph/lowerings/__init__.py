"""Operators that older opsets lack, or lack in the form in which symbolics call them.

A lowering is a function over the builder with the operator's newest parameters; it is used at
opsets below `before`, and calls `g.native` for the operator itself. These files are the only place
that knows when an operator came. Each takes its subject's operators:

    arithmetic      numbers, comparisons, bits, sums along an axis
    activations     nonlinear functions
    doubles         those of them that have kernels for float32 alone, of doubles
    normalization   layer, group, batch and RMS normalization
    indexing        gather, scatter, sort and what builds indices
    layout          pads, slices, splits, reshapes
    scatter         scatter with a reduction, by rounds
    sequences       splits into a sequence
    einsum          Einsum by transposes and matrix products
    random          random numbers without kernels
    regions         RoiAlign, MaxRoiPool
    pooling         MaxPool, AveragePool
    resizing        Resize
    small_parts     MatMul and sums of many small parts
    signal          DFT, STFT, Col2Im, GridSample
"""

from exporter.onnx_graph.lowerings import (
    activations,
    arithmetic,
    doubles,
    einsum,
    indexing,
    layout,
    normalization,
    pooling,
    random,
    regions,
    resizing,
    scatter,
    sequences,
    signal,
    small_parts,
)
from exporter.onnx_graph.lowerings.registry import ALWAYS, find_lowering, lowering

__all__ = [
    "ALWAYS",
    "activations",
    "arithmetic",
    "doubles",
    "einsum",
    "find_lowering",
    "indexing",
    "layout",
    "lowering",
    "normalization",
    "pooling",
    "random",
    "regions",
    "resizing",
    "scatter",
    "sequences",
    "signal",
    "small_parts",
]

"""Dtypes that an operator does not take at an opset, or has no kernel for in onnxruntime (CPU).

`detour` names the dtype to compute in instead; the builder casts there and back. The kernels are
listed in `kernels.txt`, which `scripts/generate_kernels.py` writes; it is read on first use. A
dtype is listed where all onnxruntimes from 1.20 on take it, so that models run in any of them.

A detour must not change a result. Integers go through wider integers, which wrap around alike when
cast back, else through double; float16 and bfloat16 through float32. Only the rows of `LOSSY` may
lose bits, and they come last.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

import onnx_ir as ir

from exporter.onnx_graph.signatures import Signature

__all__ = ["LETTERS", "LOSSY", "WIDER", "detour", "holds_all", "kernel_dtypes", "kernel_of"]

D = ir.DataType

# ONNX's names of the dtypes and the letters that stand for them in kernels.txt.
LETTERS = {
    "bool": "b",
    "uint8": "B",
    "int8": "c",
    "uint16": "H",
    "int16": "h",
    "uint32": "I",
    "int32": "i",
    "uint64": "L",
    "int64": "l",
    "float16": "e",
    "bfloat16": "w",
    "float": "f",
    "double": "d",
    "string": "s",
    "complex64": "F",
    "complex128": "D",
    "float8e4m3fn": "1",
    "float8e4m3fnuz": "2",
    "float8e5m2": "3",
    "float8e5m2fnuz": "4",
    "int4": "5",
    "uint4": "6",
}
_DTYPES = {letter: ir.DataType[name.upper()] for name, letter in LETTERS.items()}

# The bits of the integers that a float holds, each of them and none above left out.
_SIGNIFICAND = {D.FLOAT16: 11, D.BFLOAT16: 8, D.FLOAT: 24, D.DOUBLE: 53}


def holds_all(source: D, target: D) -> bool:
    """Whether every value of a dtype (bool, integer or float) is a value of another."""
    if source == target:
        return True
    if target in _SIGNIFICAND:
        if source in _SIGNIFICAND:
            return target == D.DOUBLE or (target == D.FLOAT and source != D.DOUBLE)
        return source == D.BOOL or _digits(source) <= _SIGNIFICAND[target]
    if source in _SIGNIFICAND or not target.is_integer():
        return False
    if source == D.BOOL:
        return True
    fits = source.is_integer() and _digits(source) <= _digits(target)
    return fits and (target.is_signed() or not source.is_signed())


def _digits(dtype: D) -> int:
    """The bits of an integer without its sign; more than any float has for what is none."""
    return dtype.bitwidth - dtype.is_signed() if dtype.is_integer() else 64


# Such dtypes, those that most operators have kernels for first.
WIDER: dict[D, tuple[D, ...]] = {
    D.BOOL: (D.UINT8, D.INT32, D.INT64, D.FLOAT, D.DOUBLE),
    D.UINT8: (D.INT32, D.INT64, D.INT16, D.FLOAT, D.DOUBLE),
    D.INT8: (D.INT32, D.INT64, D.INT16, D.FLOAT, D.DOUBLE),
    D.INT16: (D.INT32, D.INT64, D.DOUBLE, D.FLOAT),
    D.UINT16: (D.INT32, D.INT64, D.UINT32, D.DOUBLE, D.FLOAT),
    D.INT32: (D.INT64, D.DOUBLE),
    D.UINT32: (D.INT64, D.UINT64, D.DOUBLE),
    D.FLOAT16: (D.FLOAT, D.DOUBLE),
    D.BFLOAT16: (D.FLOAT, D.DOUBLE),
    D.FLOAT: (D.DOUBLE,),
}

# Where nothing wider is left. int64 and uint64 keep their bits as each other, but for order and
# division; as doubles they are exact up to 2**53. A double becomes a float where onnxruntime has no
# kernel for doubles: the tolerance is then that of float32. Functions that could overflow in it are
# made of others instead (`lowerings/doubles`).
LOSSY: dict[D, tuple[D, ...]] = {
    D.UINT64: (D.INT64, D.DOUBLE),
    D.INT64: (D.DOUBLE,),
    D.INT32: (D.FLOAT,),
    D.UINT32: (D.FLOAT,),
    D.DOUBLE: (D.FLOAT,),
}

# onnxruntime inserts casts to float32 itself around nodes that have no float16 kernel, if all of
# their float16 inputs and outputs have a float32 one (its InsertCastTransformer). A detour of ours
# would give the same numbers with more nodes, and a slower model where there are float16 kernels.
_CAST_BY_RUNTIME = D.FLOAT16

# What onnxruntime takes apart, and the operator among its parts that has the fewest kernels.
_FEWEST_KERNELS = {"HardSwish": "HardSigmoid"}

# Operators that give the right bits where a uint64 travels as an int64 of the same bits.
# fmt: off
_MOVES_ONLY = frozenset([
    "Concat", "Expand", "Gather", "GatherElements", "GatherND", "Identity", "Pad", "Reshape",
    "ScatterElements", "ScatterND", "Slice", "Split", "Squeeze", "Tile", "Transpose",
    "Unsqueeze", "Where", "Compress", "DepthToSpace", "SpaceToDepth", "Trilu",
    "ReverseSequence", "Add", "Sub", "Mul", "Neg", "Equal",
])
# fmt: on


@cache
def detour(signature: Signature, variable: str, dtype: D, opset: int) -> D | None:  # noqa: ARG001
    """The dtype to compute in where `dtype` can't be used; None where it can, or nothing can."""
    legal = signature.dtypes[variable]
    # The way to another dtype is a Cast.
    if not legal or signature.op_type == "Cast":
        return None
    runs = kernel_dtypes(signature, variable)
    if dtype in legal and (runs is None or dtype in runs):
        return None
    if dtype == _CAST_BY_RUNTIME and dtype in legal and runs is not None and D.FLOAT in runs:
        return None
    usable = legal if runs is None else legal & runs
    for candidate in WIDER.get(dtype, ()):
        if candidate in usable:
            return candidate
    for candidate in LOSSY.get(dtype, ()):
        if candidate in usable and (
            dtype != D.UINT64 or candidate != D.INT64 or signature.op_type in _MOVES_ONLY
        ):
            return candidate
    return None


def kernel_dtypes(signature: Signature, variable: str) -> frozenset[D] | None:
    """The dtypes that a type variable may have in onnxruntime; None where nothing is known.

    Nothing is known of operators without a kernel: ONNX defines some of them by others, and
    onnxruntime takes them apart; models with the rest are for another runtime.
    """
    kernel = None if signature.domain else kernel_of(signature)
    if kernel is None or variable not in kernel:
        return None
    return frozenset(_DTYPES[letter] for letter in kernel[variable])


def kernel_of(signature: Signature) -> dict[str, str] | None:
    """The letters of the dtypes that the kernels take for the variables that they name."""
    part = _FEWEST_KERNELS.get(signature.op_type)
    if part is None:
        return _table().get((signature.op_type, signature.since_version))
    versions = [v for op, v in _table() if op == part and v <= signature.since_version]
    return _table().get((part, max(versions)))


@cache
def _table() -> dict[tuple[str, int], dict[str, str]]:
    """kernels.txt: the kernels of each operator and version of its schema."""
    table: dict[tuple[str, int], dict[str, str]] = {}
    text = resources.files("exporter.onnx_graph").joinpath("kernels.txt").read_text("ascii")
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        op_type, versions, *words = line.split(" ")
        variables = dict(word.split("=") for word in words)
        for version in versions.split(","):
            table[op_type, int(version)] = variables
    return table

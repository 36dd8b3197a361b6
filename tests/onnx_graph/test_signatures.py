"""Arguments in the newest form mean the same at every opset, or are an error."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from onnx import defs

from exporter.errors import UnsupportedError
from exporter.onnx_graph.signatures import MEANT_BEFORE, NEWEST, Signature, place, signature

OLDEST = 9
# Attributes that came later, whose default is what opsets without them mean: read in ONNX's
# changelog. What meant something else is in MEANT_BEFORE.
CAME_WITH_THE_OLD_MEANING = {
    ("ArgMax", "select_last_index"),
    ("ArgMin", "select_last_index"),
    ("Attention", "left_window_size"),
    ("Attention", "right_window_size"),
    ("AveragePool", "ceil_mode"),
    ("BatchNormalization", "training_mode"),
    ("Cast", "round_mode"),
    ("Cast", "saturate"),
    ("CastLike", "round_mode"),
    ("CastLike", "saturate"),
    ("DepthToSpace", "mode"),
    ("DequantizeLinear", "axis"),
    ("DequantizeLinear", "block_size"),
    ("DequantizeLinear", "output_dtype"),
    ("GRU", "layout"),
    ("GatherND", "batch_dims"),
    ("LSTM", "layout"),
    ("LpPool", "ceil_mode"),
    ("MaxPool", "ceil_mode"),
    ("QuantizeLinear", "axis"),
    ("QuantizeLinear", "block_size"),
    ("QuantizeLinear", "output_dtype"),
    ("QuantizeLinear", "precision"),
    ("QuantizeLinear", "saturate"),
    ("RNN", "layout"),
    ("ReduceL1", "noop_with_empty_axes"),
    ("ReduceL2", "noop_with_empty_axes"),
    ("ReduceLogSum", "noop_with_empty_axes"),
    ("ReduceLogSumExp", "noop_with_empty_axes"),
    ("ReduceMax", "noop_with_empty_axes"),
    ("ReduceMean", "noop_with_empty_axes"),
    ("ReduceMin", "noop_with_empty_axes"),
    ("ReduceProd", "noop_with_empty_axes"),
    ("ReduceSum", "noop_with_empty_axes"),
    ("ReduceSumSquare", "noop_with_empty_axes"),
    ("Reshape", "allowzero"),
    ("Resize", "antialias"),
    ("Resize", "cubic_coeff_a"),
    ("Resize", "exclude_outside"),
    ("Resize", "extrapolation_value"),
    ("Resize", "keep_aspect_ratio_policy"),
    ("ScatterElements", "reduction"),
    ("ScatterND", "reduction"),
    ("Shape", "start"),
    ("TopK", "largest"),
    ("TopK", "sorted"),
}


def versions() -> Iterator[tuple[Signature, Signature, int]]:
    """Each form that an operator had since the oldest opset, its newest, and an opset of it."""
    names = {s.name for s in defs.get_all_schemas_with_history() if not s.domain}
    for name in sorted(names):
        newest = signature(name, NEWEST)
        if newest is None:
            continue
        for opset in range(OLDEST, NEWEST):
            target = signature(name, opset)
            following = signature(name, opset + 1)
            if target is None or following is None or target.since_version == newest.since_version:
                continue
            if target.since_version != following.since_version:
                yield target, newest, opset


def test_attributes_that_came_later_are_known_for_what_was_before() -> None:
    """A new one in the tables of ONNX must be read and listed, here or in MEANT_BEFORE."""
    found = {
        (target.op_type, name)
        for target, newest, _ in versions()
        for name in newest.defaults
        if name not in target.attributes and name not in {p.name for p in target.inputs}
    }
    assert found == CAME_WITH_THE_OLD_MEANING | set(MEANT_BEFORE)
    assert not CAME_WITH_THE_OLD_MEANING & set(MEANT_BEFORE)


def test_a_default_that_changed_is_written() -> None:
    """What is left out means the newest default, also where the opset's own is another."""
    changed = set()
    for target, newest, opset in versions():
        for name, default in newest.defaults.items():
            if name not in target.attributes or target.defaults.get(name) == default:
                continue
            changed.add((target.op_type, name))
            needed = dict.fromkeys(target.required, 0)
            needed |= {n: v for (op, n), v in MEANT_BEFORE.items() if op == target.op_type}
            placed = place(target.op_type, "", opset, [], needed)[1]
            text = default.decode() if isinstance(default, bytes) else default
            assert placed.attributes[name] == text
            assert (
                place(target.op_type, "", opset, [], {**needed, name: 7})[1].attributes[name] == 7
            )
    assert {("Softmax", "axis"), ("LogSoftmax", "axis"), ("GridSample", "mode")} <= changed


def test_an_attribute_that_meant_something_else_is_an_error() -> None:
    """The newest default is not what opset 10 does, given or not; what it does is left out."""
    given = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    assert place("Resize", "", 10, [], given)[1].attributes == {}
    for kwargs in ({}, {**given, "nearest_mode": "round_prefer_floor"}):
        with pytest.raises(UnsupportedError, match=r"Resize has no .* at opset 10"):
            place("Resize", "", 10, [], kwargs)
    for kwargs in ({}, {"coordinate_transformation_mode": "half_pixel"}):
        with pytest.raises(
            UnsupportedError,
            match="RoiAlign has no coordinate_transformation_mode='half_pixel' at opset 13",
        ):
            place("RoiAlign", "", 13, [], kwargs)


def test_an_attribute_beyond_its_default_needs_its_opset() -> None:
    with pytest.raises(UnsupportedError, match="Shape has no start=1 at opset 13"):
        place("Shape", "", 13, [], {"start": 1})
    assert place("Shape", "", 13, [], {"start": 0})[1].attributes == {}

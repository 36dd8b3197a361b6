"""Lists that a loop does nothing but append to.

    for row in rows:                  rows ──► Loop ──► scan output: all rows at once
        out.append(f(row))                body: f
    y = torch.stack(out)              y is the scan output itself

If every trip appends the same number of items, each of one form, the items are scan outputs of the
ONNX `Loop`, and the list afterwards is the rows of a tensor (or, of numbers, a 1-D tensor). This is
both faster than an ONNX Sequence, which onnxruntime copies at every insertion, and legal at opsets
that let no sequence into a loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from exporter.conversion.builtins import numbers
from exporter.conversion.control_flow.forms import NumberForm, TensorForm, form_of
from exporter.conversion.control_flow.widening import widen
from exporter.conversion.runtime_lists import kinds, runtime_lists
from exporter.conversion.values.objects import UNINITIALIZED, ListValue, NotAppendOnlyError, Value
from exporter.conversion.values.runtime_contents import RuntimeList, TensorRows
from exporter.conversion.values.tensors import TensorRef
from exporter.onnx_graph.scope import Scope
from exporter.onnx_graph.shapes import OutputType
from exporter.onnx_graph.values import Tensor, is_number

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter
    from exporter.onnx_graph.builder import Builder

__all__ = ["appended", "can_grow", "finished", "scan_types"]


def can_grow(before: ListValue) -> bool:
    """Whether items can be added behind those that a list has before the loop."""
    runtime = before.runtime
    if runtime is None or runtime.kind != "tensor":
        return True
    return isinstance(runtime, TensorRows) and runtime.ends is None


def appended(
    interpreter: Interpreter, before: ListValue, growing: Sequence[Value], outer: Scope
) -> list[Tensor]:
    """What one trip appends, as tensors; an error if they can't be scan outputs."""
    g = interpreter.g
    tensors = []
    for item in growing:
        if isinstance(item, TensorRef):
            tensors.append(item.read(g))
        elif is_number(item):
            tensors.append(numbers.as_tensor(g, item))
        else:
            raise NotAppendOnlyError("a list that grows by something other than tensors or numbers")
    existing = [] if before.runtime is not None else list(before.items)
    if isinstance(before.runtime, TensorRows):
        shape = before.runtime.shape
        dtype = before.runtime.value.dtype
        if any(t.dtype != dtype or t.shape != shape for t in tensors):
            raise NotAppendOnlyError("a list that grows by items of another shape")
    forms = {_item_form(interpreter, v, outer) for v in (*existing, *growing)}
    if len(forms) != 1:
        raise NotAppendOnlyError("a list that grows by items of several forms")
    return tensors


def _item_form(interpreter: Interpreter, item: Value, outer: Scope) -> TensorForm | NumberForm:
    """The form of an item, which must be the same in every trip."""
    # Widened with nothing: what is only visible in the body drops out.
    form = widen(form_of(interpreter, item), form_of(interpreter, UNINITIALIZED), outer)
    if isinstance(form, TensorForm):
        if form.shape is None or None in form.shape:
            raise NotAppendOnlyError("a list that grows by items of a varying shape")
        return TensorForm(form.dtype, form.shape)
    if is_number(item) and not numbers.is_complex(item):
        names = {bool: "bool", int: "int", float: "float"}
        kind = form.kind if isinstance(form, NumberForm) else names[type(item)]
        return NumberForm(kind)
    raise NotAppendOnlyError("a list that grows by something other than tensors or numbers")


def scan_types(items: Sequence[Tensor]) -> list[OutputType]:
    """The types of the scan outputs: the items' with the trips in front."""
    return [OutputType(t.dtype, (None, *t.require_shape())) for t in items]


def finished(interpreter: Interpreter, before: ListValue, scans: Sequence[Tensor]) -> RuntimeList:
    """The list after the loop, from what it held before and the scan outputs."""
    g = interpreter.g
    rows = _interleaved(g, scans)
    first = _before(interpreter, before)
    if first is not None:
        rows = g.Concat(first, rows, axis=0)
    first_item = before.items[0] if before.runtime is None and before.items else None
    kind = before.runtime.kind if before.runtime is not None else None
    if kind is None:
        sample: Value = first_item
        known = kinds.kind_of([] if sample is None else [sample], before.element_type)
        kind = known or "tensor"
    if kind != "tensor":
        return RuntimeList(kind, rows)
    result = TensorRows(TensorRef.fresh(rows), 0, rows)
    runtime_lists.descend(interpreter, result, before)
    return result


def _interleaved(g: Builder, scans: Sequence[Tensor]) -> Tensor:
    """All items in order: those of the first trip, then those of the second."""
    if len(scans) == 1:
        return scans[0]
    shape = scans[0].require_shape()
    stacked = g.Concat(*[g.Unsqueeze(s, [1]) for s in scans], axis=1)
    return g.reshape(stacked, [shape[0] * len(scans), *shape[1:]])


def _before(interpreter: Interpreter, before: ListValue) -> Tensor | None:
    g = interpreter.g
    runtime = before.runtime
    if runtime is None and not before.items:
        return None
    if isinstance(runtime, TensorRows) or (
        runtime is None and isinstance(before.items[0], TensorRef)
    ):
        return runtime_lists.in_rows(g, before)
    return runtime_lists.convert(interpreter, before).value

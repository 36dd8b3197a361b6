"""`as_strided`, which looks past the tensor it is called on at the storage behind it.

    y = x[1:]
    torch.as_strided(y, [2], [1], 0)      # the first elements of x, not of y

So the strided view is taken from the tensor that owns the storage, whose elements lie in row-major
order, or it is not taken at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import onnx_ir as ir

from exporter.conversion.values.objects import Value
from exporter.conversion.values.tensors import TensorRef, View
from exporter.errors import UnsupportedError
from exporter.onnx_graph.complex_numbers import is_complex
from exporter.onnx_graph.symbolic import Dim, is_ge

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter
    from exporter.onnx_graph.builder import Builder

__all__ = ["offset_of", "on_storage", "owner_of"]

# Views that start where their base does, whatever their arguments.
_AT_START = frozenset(
    f"aten::{name}"
    for name in (
        "transpose", "permute", "t", "unsqueeze", "squeeze", "view", "reshape", "flatten", "expand",
        "detach", "alias", "movedim", "swapaxes", "swapdims", "unflatten", "view_as", "expand_as",
    )
)  # fmt: skip


def on_storage(
    interpreter: Interpreter, args: Sequence[Value], kwargs: Mapping[str, Value]
) -> tuple[list[Value], dict[str, Value]]:
    """The arguments of `as_strided`, with the owner of the storage as its tensor."""
    named: dict[str, Value] = dict(kwargs)
    named |= zip(("self", "size", "stride", "storage_offset"), args, strict=False)
    ref, offset = named["self"], named.get("storage_offset")
    if not isinstance(ref, TensorRef):
        return list(args), dict(kwargs)
    owner = owner_of(ref)
    g = interpreter.g
    one_of_several = owner.choice is not None
    if one_of_several or owner.is_contiguous(g) is not True or not _shows_storage(g, ref):
        raise UnsupportedError(
            "as_strided of a tensor whose place in memory is not known; ONNX has no strides"
        )
    if owner is not ref and offset is None:
        named["storage_offset"] = offset_of(interpreter, ref)
    named["self"] = owner
    return [], named


# Views whose elements are not those of the storage.
_COMPUTED = {("aten::conj", None), ("aten::_conj", None), ("aten::_neg_view", None)}


def _shows_storage(g: Builder, ref: TensorRef) -> bool:
    """Whether the elements are the owner's own, and not parts of them, pairs or conjugates."""
    kind = is_complex(ref.read(g).dtype)
    while ref.base is not None:
        if ref.view is not None and ref.view.operator in _COMPUTED:
            return False
        ref = ref.base
        if is_complex(ref.read(g).dtype) != kind:
            return False
    return True


def owner_of(ref: TensorRef) -> TensorRef:
    """The tensor that a view is taken from in the end."""
    while ref.base is not None:
        ref = ref.base
    return ref


def offset_of(interpreter: Interpreter, ref: TensorRef) -> Dim:
    """Where in the storage the first element of a view lies: the view of the elements' numbers."""
    owner = owner_of(ref)
    if ref is owner:
        return 0
    if ref.view is not None and ref.view.operator == ("aten::as_strided", None):
        offset: Dim | None = ref.view.arguments["storage_offset"]
        return offset or 0
    chain = []
    while ref.base is not None:
        chain.append(ref.view)
        ref = ref.base
    while chain and _starts_at_base(chain[0]):
        del chain[0]
    if not chain:
        return 0
    g = interpreter.g
    whole = owner.read(g)
    numbers = g.Range(g.constant(0), g.Size(whole), g.constant(1))
    index = g.reshape(numbers, whole.require_shape())
    for view in reversed(chain):
        assert view is not None
        index = view.take(g, index)
    if index.shape is not None and 0 in index.shape:
        raise UnsupportedError("as_strided of a view without elements, whose place is not known")
    flat = g.reshape(index, [-1])
    if index.shape is None or any(is_ge(size, 1) is not True for size in index.shape):
        # Nothing starts behind the end, where reading anything fails.
        flat = g.Concat(flat, g.reshape(g.Size(whole), [1]), axis=0)
    return g.integer(g.Gather(flat, g.constant(0, ir.DataType.INT64)))


def _starts_at_base(view: View | None) -> bool:
    if view is None or not isinstance(view.operator, tuple):
        return False
    return str(view.operator[0]).split(".")[0] in _AT_START

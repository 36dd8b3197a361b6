"""The `out=` forms of operators: which named arguments take the results."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.conversion.values.objects import ListValue, Value
from exporter.conversion.values.tensors import TensorRef
from exporter.torchscript.schemas import schemas_of

__all__ = ["out_arguments"]


def out_arguments(kind: str, kwargs: Mapping[str, Value]) -> tuple[str, ...]:
    """The names in a call's keywords that the operator writes its results to, in their order.

    They are those that an overload is declared to write, `out` for most and names of their own
    where there are several results. None for a call of another form.
    """
    given = {
        name for name, value in kwargs.items() if isinstance(value, (TensorRef, ListValue, tuple))
    }
    if not given:
        return ()
    found: tuple[str, ...] = ("out",) if "out" in given else ()
    for schema in schemas_of(kind):
        names = tuple(a.name for a in schema.arguments if a.keyword_only and a.is_write)
        if len(names) > len(found) and given.issuperset(names):
            found = names
    return found

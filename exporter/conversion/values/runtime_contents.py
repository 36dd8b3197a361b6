"""Contents of lists whose length is only known at run time, by how the graph holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from exporter.conversion.values.objects import ListValue, Value
from exporter.conversion.values.tensors import Cell, TensorRef
from exporter.errors import UnsupportedError
from exporter.onnx_graph.shapes import PartialShape
from exporter.onnx_graph.values import Tensor

__all__ = ["RuntimeList", "RuntimeLists", "RuntimeTexts", "RuntimeTuples", "TensorRows"]


class RuntimeList:
    """Contents of a list of run-time length, as one ONNX value.

    `kind` is "tensor" for an ONNX Sequence, else "int", "float", "bool" or "str" for a 1-D tensor.
    `shape` is what is known of the shapes of a sequence's tensors. The cell holds the value, so
    that it can be the twin of the tensors that were put in: writing one of those would change the
    list. `shared` says that two of its tensors may be one, which a write would not tell.
    """

    def __init__(
        self, kind: str, value: Tensor, shape: PartialShape = None, *, shared: bool = False
    ) -> None:
        self.kind = kind
        self.shape = shape
        self.cell = Cell(value)
        self.shared = shared

    @property
    def value(self) -> Tensor:
        """The sequence or 1-D tensor."""
        return self.cell.read()

    def with_value(self, value: Tensor) -> RuntimeList:
        """A list of other numbers of the kind."""
        return RuntimeList(self.kind, value)

    def cells(self) -> Iterator[Cell]:
        """The storages that this may be a part of."""
        yield self.cell

    @property
    def overlaps(self) -> bool:
        """Whether two elements of one of its tensors may be one."""
        return any(cell.overlaps for cell in self.cells())

    @property
    def may_repeat(self) -> bool:
        """Whether a list made of its tensors is `shared`."""
        return self.shared

    def columns_of_tensors(self) -> Iterator[RuntimeList]:
        """The lists of tensors that it consists of."""
        if self.kind == "tensor":
            yield self

    def members(self) -> Iterator[ListValue]:
        """What stands for the lists in it."""
        yield from ()

    def __repr__(self) -> str:
        return f"{self.kind}s of run-time length"


class RuntimeTexts(RuntimeList):
    """Strings: the value has the number of each in `texts`, all that there may be, none twice."""

    def __init__(self, texts: tuple[str, ...], value: Tensor) -> None:
        super().__init__("str", value)
        self.texts = texts

    def with_value(self, value: Tensor) -> RuntimeTexts:
        """Others of the strings."""
        return RuntimeTexts(self.texts, value)


class RuntimeTuples(RuntimeList):
    """Tuples of run-time number: for each place in them a list of what they have there."""

    def __init__(
        self,
        columns: Sequence[RuntimeList],
        type_name: str | None = None,
        fields: Sequence[str] = (),
    ) -> None:
        self.kind, self.shape = "tuple", None
        self.columns = tuple(columns)
        self.type_name = type_name
        self.fields = tuple(fields)

    def with_columns(self, columns: Sequence[RuntimeList]) -> RuntimeTuples:
        """Tuples of the same kind."""
        return RuntimeTuples(columns, self.type_name, self.fields)

    @property
    def shared(self) -> bool:
        """Whether two of the tensors may be one."""
        return any(column.shared for column in self.columns)

    @shared.setter
    def shared(self, shared: bool) -> None:
        for column in self.columns:
            column.shared = shared

    @property
    def may_repeat(self) -> bool:
        """Whether two of the tensors may be one."""
        return any(column.may_repeat for column in self.columns)

    @property
    def value(self) -> Tensor:
        """There is no such tensor."""
        raise UnsupportedError(
            "a list of tuples whose length is only known at run time, where ONNX has only lists of "
            "tensors and numbers",
            ("try  take its parts to lists of their own: [pair[0] for pair in pairs]",),
        )

    def cells(self) -> Iterator[Cell]:
        """The storages that the tensors may be a part of."""
        for column in self.columns:
            yield from column.cells()

    def columns_of_tensors(self) -> Iterator[RuntimeList]:
        """The lists of tensors that it consists of."""
        for column in self.columns:
            yield from column.columns_of_tensors()

    def members(self) -> Iterator[ListValue]:
        """What stands for the lists in it."""
        for column in self.columns:
            yield from column.members()


class RuntimeLists(RuntimeTuples):
    """Lists of numbers ("int", "float", "bool") of run-time number: one column of 1-D tensors.

    `member` stands for any of them: it is kin of all that were put in or taken out.
    """

    def __init__(self, rows: RuntimeList, item_kind: str, member: ListValue | None = None) -> None:
        super().__init__([rows])
        self.kind = "list"
        self.item_kind = item_kind
        self.member = ListValue([]) if member is None else member

    def with_columns(self, columns: Sequence[RuntimeList]) -> RuntimeLists:
        """Some of these lists, or more of them."""
        return RuntimeLists(columns[0], self.item_kind, self.member)

    @property
    def rows(self) -> RuntimeList:
        """The tensors."""
        return self.columns[0]

    @property
    def value(self) -> Tensor:
        """There is no such tensor."""
        raise UnsupportedError(
            "a list of lists whose length is only known at run time, where ONNX has only lists of "
            "tensors and numbers"
        )

    def columns_of_tensors(self) -> Iterator[RuntimeList]:
        """None: its tensors are no tensors of the program."""
        yield from ()

    def members(self) -> Iterator[ListValue]:
        """What stands for the lists in it."""
        yield self.member


class TensorRows(RuntimeList):
    """Parts of a tensor along a dim: views of it, not copies.

    Without `starts` the items are what lies at each index of the dim, all in order (`unbind`).
    Else `starts`, a 1-D tensor, has their indices, maybe with `repeats`; and with `ends` an item is
    the slice from its start to its end (`split`). `whole` says that these are all of the tensor, in
    order, and `unpacked` makes the list again with a known number of items, as one operator.
    """

    def __init__(
        self,
        ref: TensorRef,
        dim: int,
        value: Tensor,
        starts: Tensor | None = None,
        ends: Tensor | None = None,
        *,
        whole: bool = False,
        shared: bool = False,
        repeats: bool = False,
    ) -> None:
        dims = value.require_shape()
        rest = (*dims[:dim], *dims[dim + 1 :])
        shape = rest if ends is None else (*dims[:dim], None, *dims[dim + 1 :])
        super().__init__("tensor", value, shape, shared=shared)
        self._value = value
        self.cell = ref.cell
        self.ref = ref
        self.dim = dim
        self.starts = starts
        self.ends = ends
        self.whole = whole
        self.repeats = repeats
        self.unpacked: Callable[[int], Value] | None = None

    def cells(self) -> Iterator[Cell]:
        """The storages that the tensor may be a part of."""
        return self.ref.cells()

    @property
    def overlaps(self) -> bool:
        """Whether two elements of the tensor may be one."""
        return self.ref.overlaps

    @property
    def may_repeat(self) -> bool:
        """Whether two items may be one, or parts of them."""
        return self.shared or self.repeats or self.overlaps

    @property
    def value(self) -> Tensor:
        """The tensor, for its dtype and shape."""
        return self._value

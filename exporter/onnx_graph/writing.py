"""Writing a model: atomically, with the weights in it, beside it, or left where they are.

Weights that lie in a file as ONNX wants them are not read: the system copies them from file to
file, or the model names their place in that file.
"""

from __future__ import annotations

import errno
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import onnx_ir as ir

from exporter.errors import InputError
from exporter.onnx_graph.messages import write_message

__all__ = [
    "WeightFile",
    "folder_beside",
    "is_device",
    "place_of",
    "require_target",
    "require_way",
    "weight_bytes",
    "write",
]

# A protobuf message holds at most 2 GiB; what is not weights needs room as well.
LARGEST_MESSAGE = int(1.8 * (1 << 30))
# Smaller tensors stay in the message beside external data: shapes and scalars are read from there.
SMALLEST_EXTERNAL = 1024


class WeightFile(Protocol):
    """The file that constants of the model are views of."""

    def unchanged_file(self) -> Path | None:
        """The file, None if there is none or it is another by now."""

    def offset_of(self, array: np.ndarray[Any, Any]) -> int | None:
        """Where the bytes of an array begin in it, None if they are not there as they are."""

    def release_memory(self) -> None:
        """Forget what was read of it."""


def require_way(external_data: bool | str) -> None:
    """Raise an error if there is no such way to store weights."""
    if external_data not in (True, False, "auto", "reference"):
        raise InputError(
            f'external_data is True, False, "auto" or "reference", not {external_data!r}'
        )


def require_target(target: object) -> None:
    """Raise an error if a model can't be written to such an object."""
    if isinstance(target, io.TextIOBase):
        raise InputError("the file object to write the model to is not opened in binary mode")
    if not isinstance(target, (str, os.PathLike)) and not hasattr(target, "write"):
        raise InputError(f"the model is written to a path or a binary file, not to {target!r}")


def weight_bytes(model: ir.Model) -> int:
    """The size of all tensors that a message would have to hold."""
    return sum(tensor.nbytes for _, tensor in _tensors(model) if not _is_external(tensor))


def place_of(target: str | os.PathLike[str]) -> Path:
    """The file itself where a link is given: it is written, and the link stays."""
    path = Path(target)
    return path.resolve() if path.is_symlink() and not is_device(path) else path


def is_device(path: Path) -> bool:
    """Whether this takes bytes and is no file: a device or a pipe, which must not be replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """A folder to make a file in that then replaces `path`: there it is complete, or never was.

    What goes wrong is said of `path` itself.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            yield Path(folder)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def write(
    model: ir.Model,
    target: str | os.PathLike[str] | BinaryIO,
    *,
    external_data: bool | str = "auto",
    source: WeightFile | None = None,
) -> list[Path]:
    """Write a model to a path or a binary file; the files that were written.

    External data goes into `NAME.data` beside the model: where it is asked for, or where the model
    is too large for one message. With "reference" what lies in the file of `source` is not written
    at all. The files appear when they are complete, made in a folder beside their place: a failed
    write leaves what was there before. Devices and pipes are written to.
    """
    require_way(external_data)
    require_target(target)
    external = external_data in (True, "reference") or (
        external_data == "auto" and weight_bytes(model) > LARGEST_MESSAGE
    )
    if not isinstance(target, (str, os.PathLike)):
        if external:
            raise InputError("external data needs a path: a file object has no place beside it")
        target.write(_message(model))
        return []
    path = place_of(target)
    if is_device(path):
        if external:
            raise InputError(f"external data needs a folder: there is none beside {path}")
        path.write_bytes(_message(model))
        return [path]
    with folder_beside(path) as folder, _tensors_restored(model):
        if external_data == "reference":
            _leave_in_place(model, source, path.parent)
            external = weight_bytes(model) > LARGEST_MESSAGE
        if external:
            _move_out(model, source, folder, f"{path.name}.data")
        made = folder / path.name
        with made.open("wb") as content:
            write_message(model, content, _in_files(model, source))
        if source is not None:
            source.release_memory()
        # The weights first: a model is never there without them.
        written = [p for p in (made.with_name(f"{path.name}.data"), made) if p.exists()]
        for file in written:
            file.replace(path.parent / file.name)
    return [path.parent / file.name for file in reversed(written)]


def _message(model: ir.Model) -> bytes:
    content = io.BytesIO()
    write_message(model, content, {})
    return content.getvalue()


def _copied_from(source: WeightFile | None) -> Path | None:
    """The file that weights can be copied from.

    onnx_ir copies from no file that has several names (hard links), as files of a package cache
    have: those weights are written from memory.
    """
    file = None if source is None else source.unchanged_file()
    return file if file is not None and file.stat().st_nlink == 1 else None


def _in_files(model: ir.Model, source: WeightFile | None) -> dict[str, ir.ExternalTensor]:
    """The initializers that lie in the file of `source` as they are, by name."""
    file = _copied_from(source)
    if source is None or file is None:
        return {}
    return {
        str(value.name): tensor
        for value, tensor in _placed(model.graph, source, file.parent, Path(file.name))
    }


def _tensors(model: ir.Model) -> Iterator[tuple[ir.Value, ir.TensorProtocol]]:
    for graph in model.graphs():
        yield from _tensors_of(graph)


def _tensors_of(graph: ir.Graph) -> Iterator[tuple[ir.Value, ir.TensorProtocol]]:
    for value in graph.initializers.values():
        if value.const_value is not None:
            yield value, value.const_value


def _is_external(tensor: ir.TensorProtocol) -> bool:
    return isinstance(tensor, ir.ExternalTensor)


@contextmanager
def _tensors_restored(model: ir.Model) -> Iterator[None]:
    """Leave the model as it was: where tensors are written is not for who goes on with it."""
    before = list(_tensors(model))
    try:
        yield
    finally:
        for value, tensor in before:
            value.const_value = tensor


def _leave_in_place(model: ir.Model, source: WeightFile | None, folder: Path) -> None:
    """Name the places of weights in the file of `source` for a model in `folder`."""
    file = None if source is None else source.unchanged_file()
    if source is None or file is None:
        raise InputError(
            "weights can be left in place only in the file of an archive, and as it was opened"
        )
    folder = folder.resolve()
    if not file.is_relative_to(folder):
        raise InputError(
            f"the archive must lie in the folder of the model or below it, and {file} does not lie "
            f"in {folder}: runtimes read external data only from there"
        )
    _refer(model, source, folder, file.relative_to(folder))


def _move_out(model: ir.Model, source: WeightFile | None, folder: Path, name: str) -> None:
    """Write weights to the file `name` of a folder, but for those that are external already."""
    values = [
        value
        for value, tensor in _tensors(model)
        if tensor.nbytes > SMALLEST_EXTERNAL and not _is_external(tensor)
    ]
    file = _copied_from(source)
    if source is not None and file is not None:
        _refer(model, source, file.parent, Path(file.name))
    tensors = [value.const_value for value in values if value.const_value is not None]
    moved = ir.external_data.convert_tensors_to_external(tensors, folder, name)
    for value, tensor in zip(values, moved, strict=True):
        value.const_value = tensor


def _refer(model: ir.Model, source: WeightFile, folder: Path, location: Path) -> None:
    """Turn tensors that lie in a file as they are into references to their places there."""
    for graph in model.graphs():
        for value, tensor in list(_placed(graph, source, folder, location)):
            value.const_value = tensor


def _placed(
    graph: ir.Graph, source: WeightFile, folder: Path, location: Path
) -> Iterator[tuple[ir.Value, ir.ExternalTensor]]:
    """The larger tensors that lie in a file as they are, as references to their places there."""
    for value, tensor in _tensors_of(graph):
        if tensor.nbytes <= SMALLEST_EXTERNAL or not isinstance(tensor, ir.Tensor):
            continue
        array = tensor.numpy()
        # Elements of less than a byte lie otherwise in memory.
        offset = source.offset_of(array) if array.nbytes == tensor.nbytes else None
        if offset is not None:
            yield (
                value,
                ir.ExternalTensor(
                    location.as_posix(),
                    offset,
                    tensor.nbytes,
                    tensor.dtype,
                    shape=tensor.shape,
                    name=str(value.name),
                    base_dir=folder,
                ),
            )

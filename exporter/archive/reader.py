"""Opens an archive: what `torch.jit.save` writes, as Python objects, without PyTorch.

Nothing is read before it is asked for: the file is mapped, code and pickles are parsed on first
use, and tensors are views of the map.
"""

from __future__ import annotations

import io
import mmap
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from exporter.archive.dtypes import StorageType
from exporter.archive.identify import describe_content, describe_records
from exporter.archive.packages import is_package, plain_archive, script_module_of
from exporter.archive.records import Records
from exporter.archive.source_ranges import SourceRanges
from exporter.archive.unpickler import unpickle
from exporter.archive.values import ScriptObject, Storage
from exporter.errors import ArchiveError, InputError, NotTorchScriptError

__all__ = ["Archive", "open_archive", "MAX_VERSION"]

MAX_VERSION = 10
"""Newest archive version whose operators we know the meaning of; written up to torch 2.15."""


def open_archive(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO,
    script_module: int | None = None,
) -> Archive:
    """Open an archive from a path (mapped), bytes, or a binary file object (read whole).

    Of a torch.package that has several ScriptModules, `script_module` is the number of one.

    Raises NotTorchScriptError for a file that is something else, ArchiveError for a damaged one,
    InputError for an object that is none of these.
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        return Archive(_mapped(path), str(path), path, script_module)
    if isinstance(source, (bytes, bytearray, memoryview)):
        content = memoryview(source).toreadonly()
        return Archive(content, "the archive", script_module=script_module)
    if not hasattr(source, "read"):
        raise InputError(
            f"an object of type {type(source).__name__} is no archive: "
            "give the path, bytes or file object of one"
        )
    name = str(getattr(source, "name", "the archive"))
    read = None if isinstance(source, io.TextIOBase) else source.read()
    if not isinstance(read, bytes):
        raise InputError(f"{name} is not opened in binary mode")
    return Archive(memoryview(read), name, script_module=script_module)


def _mapped(path: Path) -> memoryview:
    """Map the file as read-only memory. The map lives as long as a view of it does."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                return memoryview(b"")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except FileNotFoundError:
        raise ArchiveError(f"{path} does not exist") from None
    except IsADirectoryError:
        raise ArchiveError(f"{path} is a directory; give the archive file itself") from None
    except (OSError, ValueError) as error:
        if path.is_dir():
            raise ArchiveError(f"{path} is a directory; give the archive file itself") from None
        reason = getattr(error, "strerror", None) or error
        raise ArchiveError(f"{path} can't be read: {reason}") from None


class Archive:
    """An open TorchScript archive."""

    name: str
    """The folder in the zip that holds everything; by default the file's stem when it was saved."""
    path: Path | None
    """Where the file lies, None for bytes and file objects."""
    version: int
    """The version of the format and the operators: 1 to 10."""
    byteorder: str
    """Of the tensors' bytes: "little" or "big"."""
    code: Mapping[str, str]
    """Source text by module: "__torch__.programs" is the record code/__torch__/programs.py."""

    def __init__(
        self,
        content: memoryview,
        source: str,
        path: Path | None = None,
        script_module: int | None = None,
    ) -> None:
        """Open `content`; `source` is what errors call it."""
        # A file cut off within its first bytes is still called a cut-off archive.
        if not content or bytes(content[:4]) != b"PK\x03\x04"[: len(content)]:
            if bytes(content[:4]) == b"PK\x05\x06":
                raise NotTorchScriptError(f"{source} is an empty zip file")
            raise NotTorchScriptError(f"{source} {describe_content(content)}")
        self._content = content
        self._records = Records(content, source)
        self._packaged = is_package(self._records)
        if self._packaged:
            self._records = script_module_of(self._records, script_module)
        elif (other := describe_records(self._records)) is not None:
            raise NotTorchScriptError(f"{source} {other}")
        elif script_module is not None:
            raise InputError(f"{source} is no torch.package: it has no numbered ScriptModules")
        self._source = source
        self.path = path
        self._file = None if path is None else path.resolve()
        self._file_state = None if path is None else _state(path)
        self.name = self._records.folder
        self.version = self._read_version()
        self.byteorder = self._read_byteorder()
        self.code = _Code(self._records)
        #: Integers in the code that were floats in the program that was saved, if that is known.
        self.floats_written_as_ints: frozenset[int] = frozenset()
        self._storages: dict[str, Storage] = {}
        self._source_ranges: dict[str, SourceRanges] = {}

    def __repr__(self) -> str:
        return f"<Archive {self._source}: version {self.version}, {len(self.code)} code records>"

    @property
    def loadable(self) -> Path | memoryview | bytes:
        """What `torch.jit.load` can load it from: the file, else its content."""
        if self._packaged:
            return plain_archive(self._records)
        return self._content if self.path is None else self.path

    def release_memory(self) -> None:
        """Let the system take back the pages of the file that were read; they are read anew on use.

        Weights that were just copied elsewhere need not stay in memory twice.
        """
        mapped = self._content.obj
        if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)

    def unchanged_file(self) -> Path | None:
        """The file that is mapped; None if there is none, or it was written to or replaced."""
        if self._file is None or _state(self._file) != self._file_state:
            return None
        return self._file

    def offset_of(self, array: np.ndarray[Any, Any]) -> int | None:
        """Where the bytes of an array begin in the file; None if it is no dense view of the map.

        The array holds them as ONNX stores tensors: little-endian.
        """
        start = _address(array) - self._address
        inside = start >= 0 and start + array.nbytes <= self._content.nbytes
        dense = array.flags.c_contiguous and sys.byteorder == "little"
        return start if inside and dense else None

    @cached_property
    def _address(self) -> int:
        return _address(np.frombuffer(self._content, np.uint8))

    @cached_property
    def root(self) -> ScriptObject:
        """The saved module and all that it holds."""
        root = self._unpickled("data", ("data/", "tensors/"))
        if not isinstance(root, ScriptObject):
            raise ArchiveError(f"{self._source} is damaged: data.pkl holds no module")
        return root

    @cached_property
    def constants(self) -> Sequence[object]:
        """What the code calls `CONSTANTS.c0`, `CONSTANTS.c1` and so on."""
        constants = self._unpickled("constants", ("constants/", "tensors/"))
        if not isinstance(constants, tuple):
            raise ArchiveError(f"{self._source} is damaged: constants.pkl holds no tuple")
        return constants

    @cached_property
    def traced_inputs(self) -> Mapping[str, tuple[object, ...]]:
        """The example inputs of each traced method; tensors have dtype and shape, but no values.

        Empty for scripted modules, and for what was saved by a PyTorch that did not record them.
        """
        if "traced_inputs.pkl" not in self._records:
            return {}
        inputs = self._unpickled("traced_inputs", ("traced_inputs/",))
        if not isinstance(inputs, dict) or not all(
            isinstance(method, str) and isinstance(values, (list, tuple))
            for method, values in inputs.items()
        ):
            raise ArchiveError(f"{self._source} is damaged: traced_inputs.pkl holds no inputs")
        return {method: tuple(values) for method, values in inputs.items()}

    def source_ranges(self, module: str) -> SourceRanges | None:
        """Where the code of `module` came from, None if the archive doesn't tell."""
        record = f"{_code_record(module)}.debug_pkl"
        if record not in self._records:
            return None
        if module not in self._source_ranges:
            self._source_ranges[module] = SourceRanges(self._records.read(record), record)
        return self._source_ranges[module]

    @property
    def extra_files(self) -> Mapping[str, memoryview]:
        """What was saved along as `_extra_files`."""
        names = [name for name in self._records if name.startswith("extra/")]
        return {name.removeprefix("extra/"): self._records.read(name) for name in names}

    def _unpickled(self, name: str, folders: tuple[str, ...]) -> object:
        def open_storage(kind: StorageType, key: str, device: str, elements: int) -> Storage:
            for folder in folders:
                if folder + key in self._records:
                    return self._storage(folder + key, kind, device, elements)
            return self._storage(folders[0] + key, kind, device, elements)

        return unpickle(self._records.read(f"{name}.pkl"), f"{name}.pkl", open_storage)

    def _storage(self, record: str, kind: StorageType, device: str, elements: int) -> Storage:
        known = self._storages.get(record)
        if known is not None:
            if known.type is kind and known.elements == elements:
                return known
            raise ArchiveError(
                f"{self._source} is damaged: {record} is said to be {known.elements} "
                f"{known.type.name} and {elements} {kind.name}"
            )
        needed = elements * kind.numpy.itemsize
        stored = self._records[record].size
        # Example inputs and meta tensors have empty records: a type and a size without values.
        absent = stored == 0 and (record.startswith("traced_inputs/") or device == "meta")
        if stored < needed and not absent:
            raise ArchiveError(
                f"{self._source} is damaged: {record} has {stored} of its {needed} bytes"
            )
        storage = Storage(
            record,
            kind,
            device,
            elements,
            None if absent else self._records.file_offset(record),
            self.byteorder != sys.byteorder,
            None if absent else lambda: self._records.read(record),
        )
        self._storages[record] = storage
        return storage

    def _read_version(self) -> int:
        record = ".data/version" if ".data/version" in self._records else "version"
        text = self._records.text(record).strip()
        if not text.isdecimal() or len(text) > 9 or int(text) == 0:
            raise ArchiveError(f"{self._source} is damaged: its version is {text[:20]!r}")
        version = int(text)
        if version > MAX_VERSION:
            raise ArchiveError(
                f"{self._source} has version {version}, written by a newer PyTorch; "
                f"versions up to {MAX_VERSION} are supported"
            )
        return version

    def _read_byteorder(self) -> str:
        """Read the byte order, recorded since torch 2.1; what came before is little-endian."""
        if "byteorder" not in self._records:
            return "little"
        order = self._records.text("byteorder").strip()
        if order not in ("little", "big"):
            raise ArchiveError(f"{self._source} is damaged: its byte order is {order[:20]!r}")
        return order


def _state(file: Path) -> tuple[int, ...] | None:
    """What changes when a file is written to or replaced; None where it is no more."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _address(array: np.ndarray[Any, Any]) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


class _Code(Mapping[str, str]):
    """The code records by module name, each read when asked for."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._modules = {
            name[len("code/") : -len(".py")].replace("/", "."): name
            for name in records
            if name.startswith("code/") and name.endswith(".py")
        }

    def __getitem__(self, module: str) -> str:
        return self._records.text(self._modules[module])

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


def _code_record(module: str) -> str:
    return f"code/{module.replace('.', '/')}.py"

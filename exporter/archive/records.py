"""The records of an archive: a zip file that is mapped into memory, not read.

PyTorch stores tensors uncompressed at multiples of 64 bytes, so a record is a slice of the mapped
file. The directory at the file's end is parsed here rather than by `zipfile`, which reads through a
file object, and it is not believed: sizes, offsets and overlaps are checked before anything is
sliced or inflated.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from itertools import pairwise

from exporter.errors import ArchiveError

__all__ = ["Record", "Records", "MAX_INFLATED"]

MAX_INFLATED = 1 << 28
"""Bytes that a compressed record may expand to. PyTorch compresses just code and debug tables."""

_STORED, _DEFLATED = 0, 8
_NO_64 = 0xFFFFFFFF
_LOCAL = struct.Struct("<4s22xHH")
_CENTRAL = struct.Struct("<4s4xHH4xLLLHHH8xL")
_END = struct.Struct("<4s4x2xHLLH")
_END_64_LOCATOR = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ12x8xQQQ")


@dataclass(frozen=True)
class Record:
    """One entry of the zip directory."""

    name: str
    header_offset: int
    limit: int
    """Where the next record (or the directory) begins: this one must end before it."""
    compressed: bool
    stored_size: int
    size: int
    crc: int


class Records:
    """The records by name, without the top folder that all of them share (`folder`)."""

    def __init__(self, content: memoryview, source: str) -> None:
        """Parse the directory of `content`; `source` is what errors call the file."""
        self._content = content
        self.source = source
        entries = list(self._entries())
        if not entries:
            raise self._bad_directory()
        entries.sort(key=lambda record: record.header_offset)
        for record, following in pairwise(entries):
            if record.limit > following.header_offset:
                raise ArchiveError(
                    f"{source} is damaged: records {record.name!r} and {following.name!r} overlap"
                )
        # Without a folder it is no PyTorch archive; the names then help to tell what it is.
        self.folder = entries[0].name.rpartition("/")[0].partition("/")[0]
        prefix = f"{self.folder}/" if self.folder else ""
        bounds = [*(entry.header_offset for entry in entries[1:]), self._directory_start]
        self._records: dict[str, Record] = {}
        self.outside: list[str] = []
        for record, limit in zip(entries, bounds, strict=True):
            if not record.name.startswith(prefix):
                self.outside.append(record.name)
                continue
            name = record.name[len(prefix) :]
            if name in self._records:
                raise ArchiveError(f"{source} is damaged: it has two records named {name!r}")
            self._records[name] = Record(
                name,
                record.header_offset,
                limit,
                record.compressed,
                record.stored_size,
                record.size,
                record.crc,
            )

    def renamed(self, names: Mapping[str, str]) -> Records:
        """Some of the records under other names: what each is called there, and here."""
        chosen = copy(self)
        chosen._records = {name: self[record] for name, record in names.items()}
        return chosen

    def __contains__(self, name: str) -> bool:
        return name in self._records

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __getitem__(self, name: str) -> Record:
        try:
            return self._records[name]
        except KeyError:
            raise ArchiveError(f"{self.source} is damaged: it has no record {name!r}") from None

    def file_offset(self, name: str) -> int | None:
        """Where the record's bytes begin in the file, None if they are compressed."""
        record = self[name]
        return None if record.compressed else self._data_start(record)

    def read(self, name: str) -> memoryview:
        """Return the record's bytes: a view of the file, or inflated bytes."""
        record = self[name]
        start = self._data_start(record)
        stored = self._content[start : start + record.stored_size]
        if not record.compressed:
            return stored
        if record.size > MAX_INFLATED:
            raise ArchiveError(
                f"{self.source}: {name} claims to expand to {record.size} bytes, more than the "
                f"{MAX_INFLATED} allowed for a compressed record"
            )
        inflater = zlib.decompressobj(-15)
        try:
            # One byte more than declared shows a record that lies about its size.
            inflated = inflater.decompress(stored, record.size + 1)
        except zlib.error as error:
            raise ArchiveError(
                f"{self.source} is damaged: {name} can't be expanded ({error})"
            ) from None
        if len(inflated) != record.size or zlib.crc32(inflated) != record.crc:
            raise ArchiveError(
                f"{self.source} is damaged: {name} does not have its size or checksum"
            )
        return memoryview(inflated)

    def text(self, name: str) -> str:
        """Return the record as UTF-8 text."""
        try:
            return str(self.read(name), "utf-8")
        except UnicodeDecodeError:
            raise ArchiveError(f"{self.source} is damaged: {name} is not UTF-8 text") from None

    def _data_start(self, record: Record) -> int:
        """Skip the local header, whose padding puts the data at a multiple of 64."""
        header_end = record.header_offset + _LOCAL.size
        if header_end <= len(self._content):
            magic, name_size, extra_size = _LOCAL.unpack_from(self._content, record.header_offset)
            start = header_end + int(name_size) + int(extra_size)
            if magic == b"PK\x03\x04" and start + record.stored_size <= record.limit:
                return start
        raise ArchiveError(
            f"{self.source} is damaged: {record.name} is not where the directory says"
        )

    def _entries(self) -> Iterator[Record]:
        """Parse the directory's entries; `limit` is a lower bound of where each ends."""
        count, size, start = self._directory()
        self._directory_start = start
        directory = self._content[start : start + size]
        position = 0
        for _ in range(count):
            if position + _CENTRAL.size > size:
                raise self._bad_directory()
            magic, flags, method, crc, stored_size, full_size, *lengths, header = (
                _CENTRAL.unpack_from(directory, position)
            )
            position += _CENTRAL.size
            name_size, extra_size, comment_size = lengths
            name_bytes = bytes(directory[position : position + name_size])
            extra = directory[position + name_size : position + name_size + extra_size]
            position += name_size + extra_size + comment_size
            if magic != b"PK\x01\x02" or position > size:
                raise self._bad_directory()
            full_size, stored_size, header = _zip64_sizes(extra, full_size, stored_size, header)
            name = name_bytes.decode("utf-8", "replace")
            if not name.isprintable():
                raise self._bad_directory()
            if flags & 1:
                raise ArchiveError(f"{self.source}: the record {name!r} is encrypted")
            if method not in (_STORED, _DEFLATED) or (
                method == _STORED and stored_size != full_size
            ):
                raise ArchiveError(
                    f"{self.source}: the record {name!r} is not stored as PyTorch does"
                )
            end = header + _LOCAL.size + name_size + stored_size
            if end > start:
                raise ArchiveError(
                    f"{self.source} is damaged: {name!r} reaches beyond the file's data"
                )
            yield Record(name, header, end, method == _DEFLATED, stored_size, full_size, crc)

    def _directory(self) -> tuple[int, int, int]:
        """Count, size and position of the directory, from the end record in the last 64 KB."""
        content = self._content
        tail_start = max(0, len(content) - (1 << 16) - _END.size)
        tail = bytes(content[tail_start:])
        found = tail.rfind(b"PK\x05\x06")
        if found < 0 or found + _END.size > len(tail):
            raise ArchiveError(
                f"{self.source} is cut off: it begins like a PyTorch archive, but the "
                "directory at its end is missing; copy or download it again"
            )
        _, count, size, start, _ = _END.unpack_from(tail, found)
        locator = tail_start + found - _END_64_LOCATOR.size
        if locator >= 0 and bytes(content[locator : locator + 4]) == b"PK\x06\x07":
            _, _, end_64, _ = _END_64_LOCATOR.unpack_from(content, locator)
            if end_64 + _END_64.size > len(content):
                raise self._bad_directory()
            magic, _, count, size, start = _END_64.unpack_from(content, end_64)
            if magic != b"PK\x06\x06":
                raise self._bad_directory()
        if start + size > tail_start + found:
            raise self._bad_directory()
        return count, size, start

    def _bad_directory(self) -> ArchiveError:
        return ArchiveError(f"{self.source} is damaged: its zip directory can't be read")


def _zip64_sizes(
    extra: memoryview, full_size: int, stored_size: int, header: int
) -> tuple[int, int, int]:
    """Replace what did not fit into 32 bits by the zip64 field, which has just those values."""
    values = [full_size, stored_size, header]
    if _NO_64 not in values:
        return full_size, stored_size, header
    position = 0
    while position + 4 <= len(extra):
        tag, length = struct.unpack_from("<HH", extra, position)
        if tag == 1 and position + 4 + length <= len(extra):
            wide = iter(struct.unpack_from(f"<{length // 8}Q", extra, position + 4))
            values = [next(wide, value) if value == _NO_64 else value for value in values]
            break
        position += 4 + length
    return values[0], values[1], values[2]

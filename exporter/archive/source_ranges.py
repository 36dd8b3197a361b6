"""Where the statements of a code record came from in the user's Python.

Beside each code record lies a `.debug_pkl`: a table of (byte offset in the code, range in the
user's source), each entry holding up to the next. Since torch 1.10 its texts are lines in a shared
table; before, each range brought its whole text. A scripted range is a piece of a function's
source; a traced one has the call stack for its text, one frame a line, innermost first.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NamedTuple

from exporter.archive.unpickler import unpickle
from exporter.errors import ArchiveError

__all__ = ["SourceFrame", "SourceRange", "SourceRanges", "traced_range"]

_FRAME = re.compile(r"(?P<file>.+)\((?P<line>\d+)\): (?P<function>.+)")
# What calls the module that is traced: PyTorch, or this package.
_AROUND = ("torch/jit/_trace.py", "torch/jit/__init__.py", "exporter/live/calls.py")
_WITH_STRING_TABLE = "FORMAT_WITH_STRING_TABLE"


class SourceFrame(NamedTuple):
    """One call of the stack that a traced operation was recorded in."""

    filename: str
    line: int
    function: str


class SourceRange(NamedTuple):
    """A place in the user's Python."""

    filename: str
    line: int
    """Counted from 1."""
    column: int
    """Counted from 0, in the text as it was dedented for scripting."""
    text: str
    """The line, stripped; empty where the archive doesn't have it: traces record no source text."""
    stack: tuple[SourceFrame, ...] = ()
    """For a traced operation, all calls it was recorded in, innermost first."""


class SourceRanges:
    """The ranges of one code record, by byte offset in its UTF-8 text."""

    def __init__(self, data: memoryview, name: str) -> None:
        """Read a `.debug_pkl`; `name` is what errors call it."""
        self._name = name
        self._sources: dict[int, tuple[str, str, int]] = {}
        try:
            self._read(unpickle(data, name))
        except (TypeError, ValueError, IndexError, AttributeError):
            raise self._damaged() from None

    def at(self, offset: int) -> SourceRange | None:
        """Find the place that the code at byte `offset` came from, None if that is not recorded."""
        index = bisect_right(self._offsets, offset) - 1
        if index < 0:
            return None
        try:
            return self._range(self._entries[index])
        except (TypeError, ValueError, IndexError, AttributeError):
            raise self._damaged() from None

    def _damaged(self) -> ArchiveError:
        return ArchiveError(f"{self._name} is damaged: it is no table of source ranges")

    def _read(self, value: object) -> None:
        self._strings: tuple[str, ...] | None = None
        if not isinstance(value, tuple):
            raise TypeError
        if value and value[0] == _WITH_STRING_TABLE:
            _, strings, value = value
            self._strings = strings
            if not all(isinstance(string, str) for string in strings):
                raise TypeError
        if not isinstance(value, tuple):
            raise TypeError
        entries = sorted(value, key=lambda entry: int(entry[0]))
        self._offsets = [int(entry[0]) for entry in entries]
        # (offset, (source, start, end)), since torch 1.6 with a node tag at the end.
        self._entries = [entry[1] for entry in entries]

    def _range(self, entry: tuple[object, int, int]) -> SourceRange | None:
        source, start, _end = entry
        text, filename, first_line = self._source(source)
        traced = traced_range(text)
        if traced is not None:
            return traced
        if not text:
            return None
        # Offsets count the bytes of the C++ string.
        before = text.encode("utf-8", "surrogatepass")[:start].decode("utf-8", "replace")
        line_start = before.rfind("\n") + 1
        line_end = text.find("\n", line_start)
        line = text[line_start : line_end if line_end >= 0 else len(text)]
        return SourceRange(
            filename, first_line + before.count("\n"), len(before) - line_start, line.strip()
        )

    def _source(self, source: object) -> tuple[str, str, int]:
        """Text, file name and number of the first line. Sources are shared among many ranges."""
        known = self._sources.get(id(source))
        if known is not None:
            return known
        if not isinstance(source, tuple):
            raise TypeError
        pieces, filename, first_line = source
        if self._strings is not None:
            strings = self._strings
            text = "".join(strings[piece] for piece in pieces)
            filename = strings[filename]
        else:
            text = pieces
        if not isinstance(text, str) or not isinstance(first_line, int):
            raise TypeError
        read = (text, filename if isinstance(filename, str) else "", first_line)
        self._sources[id(source)] = read
        return read


def traced_range(text: str) -> SourceRange | None:
    """Read the range of a traced operation, None for a text that is no call stack."""
    frames = _stack(text)
    if not frames:
        return None
    place = _users_frame(frames)
    return SourceRange(place.filename, place.line, 0, "", frames)


def _stack(text: str) -> tuple[SourceFrame, ...]:
    """Parse the frames, if each line of the text is one."""
    frames = []
    for line in text.splitlines():
        match = _FRAME.fullmatch(line)
        if match is None:
            return ()
        frames.append(SourceFrame(match["file"], int(match["line"]), match["function"]))
    return tuple(frames)


def _users_frame(frames: tuple[SourceFrame, ...]) -> SourceFrame:
    """Choose the innermost frame outside PyTorch within the traced call, else the innermost."""
    for frame in frames:
        path = frame.filename.replace("\\", "/")
        if path.endswith(_AROUND):
            break
        if "/torch/" not in path:
            return frame
    return frames[0]

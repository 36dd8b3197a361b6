"""One code record of an archive, parsed, with positions that lead back to the user's source.

Code records are Python syntax but for one thing: they use Python's keywords as names. An attribute
may be called `lambda`, a keyword argument `from`. Such a word is replaced, before parsing, by one
of the same length that occurs nowhere in the record, so that byte offsets stay what they were.
"""

from __future__ import annotations

import ast
import keyword
import re
from bisect import bisect_right
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import cached_property
from itertools import accumulate, product
from typing import Protocol

from exporter.errors import ScriptError
from exporter.torchscript.deep_code import parse_code

__all__ = ["CodeRecord", "Places", "SourceRange", "SourceRanges"]


class SourceRange(Protocol):
    """A place in the user's Python source."""

    @property
    def filename(self) -> str:
        """Path of the file, as it was on the machine that wrote the archive."""

    @property
    def line(self) -> int:
        """Line number from 1."""

    @property
    def column(self) -> int:
        """Column from 0."""

    @property
    def text(self) -> str:
        """The source text of the range."""


class SourceRanges(Protocol):
    """The debug table of one code record."""

    def at(self, byte_offset: int) -> SourceRange | None:
        """Where the statement at this offset of the record came from."""


class Places(Protocol):
    """Where nodes came from, by what they have for an offset."""

    def source_at(self, offset: int, /) -> SourceRange | None:
        """The user's source, if that is known."""

    def described(self, offset: int, /) -> str:
        """What to say where it is not."""


_WORDS = "|".join(word for word in keyword.kwlist if word not in ("None", "True", "False"))

# A keyword used as a name stands after a dot, before `=` (keyword argument) or before ` :` at the
# start of a line (attribute declaration; `else:` has no space). Strings are matched to be skipped.
_KEYWORD_AS_NAME = re.compile(
    rf"""("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
    rf"|(?<=\.)({_WORDS})\b|\b({_WORDS})(?==[^=])|(?m:(?<=^  )({_WORDS})(?= :))"
)


# In the last of these places a keyword may also parse as what it is (`lambda :`, `try :`).
_KEYWORD_AS_ATTRIBUTE = re.compile(rf"\n  ({_WORDS}) :")


class CodeRecord:
    """The source text of one module of the archive."""

    def __init__(
        self,
        module: str,
        text: str,
        source_ranges: Callable[[str], SourceRanges | None] | None = None,
        floats: Collection[int] = (),
    ) -> None:
        self.module = module
        self.text = text
        self._source_ranges = source_ranges
        self._floats = floats

    def _renamed(self) -> tuple[str, dict[str, str]]:
        """The text with keywords replaced where they are names, and what replaced which."""
        replacements: dict[str, str] = {}

        def replace(match: re.Match[str]) -> str:
            word = match[2] or match[3] or match[4]
            if word is None:
                return match[0]
            if word not in replacements:
                replacements[word] = _stand_in(word, self.text, replacements.values())
            return replacements[word]

        text = _KEYWORD_AS_NAME.sub(replace, self.text)
        return text, {stand_in: word for word, stand_in in replacements.items()}

    def parse(self) -> ast.Module:
        """The syntax tree, with the original names. It is not kept: trees are large."""
        try:
            tree = self._parse()
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ScriptError(f"code record {self.module} does not parse: {error}") from error
        if self._floats:
            _restore_floats(tree, self._floats)
        return tree

    def _parse(self) -> ast.Module:
        """Few records have keywords as names; to look for them takes half as long as to parse."""
        if _KEYWORD_AS_ATTRIBUTE.search(self.text) is None:
            with suppress(SyntaxError):
                return parse_code(self.text)
        text, originals = self._renamed()
        tree = parse_code(text)
        _restore_names(tree, originals)
        return tree

    @cached_property
    def line_offsets(self) -> list[int]:
        """Byte offset at which each line starts."""
        lines = self.text.split("\n")
        return [0, *accumulate(len(line.encode()) + 1 for line in lines)]

    @cached_property
    def _ranges(self) -> SourceRanges | None:
        return self._source_ranges(self.module) if self._source_ranges is not None else None

    def source_at(self, byte_offset: int) -> SourceRange | None:
        """The user's source for a position in this record, if the archive tells."""
        return self._ranges.at(byte_offset) if self._ranges is not None else None

    def described(self, byte_offset: int) -> str:
        """The line of this record, in words."""
        number = bisect_right(self.line_offsets, byte_offset)
        text = self.text.split("\n")[number - 1].strip()
        return f"line {number} of {self.module} in the archive    {text}"

    def segment(self, node: ast.AST) -> str:
        """The text of one node, as the record has it."""
        return ast.get_source_segment(self.text, node) or ""


def _stand_in(word: str, text: str, taken: Collection[str]) -> str:
    """A name as long as `word` that is free."""
    for letters in product("zqxjZQXJ_", repeat=len(word)):
        candidate = "".join(letters)
        if candidate in taken or keyword.iskeyword(candidate):
            continue
        if re.search(rf"\b{candidate}\b", text) is None:
            return candidate
    raise ScriptError(f"no free name for the keyword {word!r}")


def _restore_floats(tree: ast.AST, floats: Collection[int]) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value in floats:
            node.value = float(node.value)


def _restore_names(tree: ast.AST, originals: dict[str, str]) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            node.attr = originals.get(node.attr, node.attr)
        elif isinstance(node, ast.Name):
            node.id = originals.get(node.id, node.id)
        elif isinstance(node, (ast.keyword, ast.arg)) and node.arg is not None:
            node.arg = originals.get(node.arg, node.arg)

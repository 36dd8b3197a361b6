"""Debug records in the old and the new format, made by hand."""

from __future__ import annotations

import pytest

from exporter.archive import SourceFrame, SourceRanges
from exporter.errors import ArchiveError
from tests.archive.handmade import HEADER, integer, name, text, tuple_of

SOURCE = "def forward(self, x):\n    é = x + 1\n    return é * 2\n"
INT_LIST = name("torch.jit._pickle", "build_intlist")


def start(piece: str) -> int:
    return len(SOURCE[: SOURCE.index(piece)].encode())


def ranges(value: bytes) -> SourceRanges:
    return SourceRanges(memoryview(HEADER + value + b"."), "x.debug_pkl")


def old_format(*tags: bytes) -> bytes:
    source = tuple_of(text(SOURCE), text("model.py"), integer(10))
    return tuple_of(
        tuple_of(integer(0), tuple_of(tuple_of(text(""), b"N", b"K\0"), b"K\0", b"K\0"), *tags),
        tuple_of(integer(40), tuple_of(source, integer(start("x + 1")), b"K\0"), *tags),
        tuple_of(integer(60), tuple_of(source, integer(start("return")), b"K\0"), *tags),
    )


def new_format(strings: list[str], pieces: list[int], filename: int, first: int, at: int) -> bytes:
    numbers = INT_LIST + b"](" + b"".join(map(integer, pieces)) + b"e\x85R"
    source = tuple_of(numbers, integer(filename), integer(first))
    entry = tuple_of(integer(5), tuple_of(source, integer(at), integer(at)), b"K\0")
    table = tuple_of(*map(text, strings))
    return tuple_of(text("FORMAT_WITH_STRING_TABLE"), table, tuple_of(entry))


@pytest.mark.parametrize("tags", [(), (b"K\x07",)])
def test_the_format_before_the_string_table(tags):
    found = ranges(old_format(*tags))
    assert found.at(0) is None
    assert found.at(39) is None
    assert found.at(40) == ("model.py", 11, 8, "é = x + 1", ())
    assert found.at(59) == found.at(40)
    assert found.at(1000) == ("model.py", 12, 4, "return é * 2", ())


def test_the_format_with_a_string_table():
    lines = SOURCE.splitlines(keepends=True)
    found = ranges(new_format(["", *lines, "model.py"], [1, 2, 3, 0], 4, 10, start("return")))
    assert found.at(4) is None
    assert found.at(5) == ("model.py", 12, 4, "return é * 2", ())


STACK = [
    "/venv/torch/nn/functional.py(10): relu\n",
    "/home/me/model.py(7): forward\n",
    "/venv/torch/nn/modules/module.py(20): _call_impl\n",
    "/venv/torch/jit/_trace.py(30): trace\n",
    "/home/me/export.py(3): <module>\n",
]


def test_a_trace_names_the_users_line():
    found = ranges(new_format(["", *STACK, STACK[0][:28]], [1, 2, 3, 4, 5, 0], 6, 10, 0)).at(5)
    assert found[:4] == ("/home/me/model.py", 7, 0, "")
    assert len(found.stack) == 5
    assert found.stack[0] == SourceFrame("/venv/torch/nn/functional.py", 10, "relu")


def test_a_trace_without_a_user_frame_names_the_innermost():
    found = ranges(new_format(["", *STACK, STACK[0][:28]], [1, 3, 4, 5, 0], 6, 10, 0)).at(5)
    assert found[:2] == ("/venv/torch/nn/functional.py", 10)


@pytest.mark.parametrize(
    "value",
    [
        b"N",
        b"K\x01",
        b"K\x01\x85",
        b"NN\x86",
        tuple_of(text("FORMAT_WITH_STRING_TABLE"), b")"),
        tuple_of(text("FORMAT_WITH_STRING_TABLE"), b"K\x01", b")"),
        tuple_of(text("FORMAT_WITH_STRING_TABLE"), b"K\x01\x85", b")"),
        tuple_of(tuple_of(b"N", b"N")),
        tuple_of(tuple_of(b"K\0", b"N")),
        tuple_of(tuple_of(b"K\0", b"K\x01\x85")),
        tuple_of(tuple_of(b"K\0", tuple_of(b"N", b"N", b"N"))),
        tuple_of(tuple_of(b"K\0", tuple_of(tuple_of(b"N", b"N", b"N"), b"K\0", b"K\0"))),
        new_format(["a"], [7], 0, 1, 0),
        new_format(["a"], [0], 9, 1, 0),
    ],
)
def test_damaged_tables(value):
    with pytest.raises(ArchiveError, match=r"x\.debug_pkl is damaged"):
        ranges(value).at(5)

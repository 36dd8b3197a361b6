"""Pickles: what TorchScript writes is read, all else is refused and nothing is executed."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.archive import Device, EnumMember, ScriptObject, open_archive
from exporter.archive.nesting import MAX_DEPTH
from exporter.archive.unpickler import unpickle
from exporter.errors import ArchiveError
from tests.archive.handmade import (
    HEADER,
    archive,
    check_one_line,
    hostile_pickle,
    integer,
    module,
    name,
    tensor,
    text,
    tuple_of,
)

OS_SYSTEM = name("os", "system") + tuple_of(text("touch executed")) + b"R"
TAG = name("torch.jit._pickle", "restore_type_tag")


def value(data: bytes) -> object:
    return unpickle(memoryview(HEADER + data + b"."), "data.pkl")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"N", None),
        (b"\x88", True),
        (b"K\x07", 7),
        (b"M\x01\x02", 513),
        (b"J\xff\xff\xff\xff", -1),
        (integer(-(2**63)), -(2**63)),
        (b"G" + struct.pack(">d", 0.1), 0.1),
        (text("ü"), "ü"),
        (b"K\x01\x85", (1,)),
        (b"K\x01K\x02\x86", (1, 2)),
        (b"K\x01K\x02K\x03\x87", (1, 2, 3)),
        (b"](K\x01K\x02e", [1, 2]),
        (b"]K\x01a", [1]),
        (b"(K\x01K\x02l", [1, 2]),
        (b"}(K\x01N" + text("a") + b"Nu", {1: None, "a": None}),
        (b"}K\x01Ns", {1: None}),
        (name("torch.jit._pickle", "build_intlist") + b"](K\x01e\x85R", [1]),
        (TAG + b"}" + text("Dict[str, int]") + b"\x86R", {}),
        (
            name("builtins", "complex") + b"G" + struct.pack(">d", 1) + b"G" + struct.pack(">d", 2)
            + b"\x86R",
            1 + 2j,
        ),
        (name("torch", "device") + text("cpu") + b"\x85R", Device("cpu")),
        (name("torch", "device") + text("cuda") + b"K\x01\x86R", Device("cuda:1")),
        (name("__torch__", "Color") + b"K\x01R", EnumMember("__torch__.Color", 1)),
    ],
)  # fmt: skip
def test_values(data, expected):
    assert value(data) == expected
    assert type(value(data)) is type(expected)


def test_shared_objects_stay_shared():
    first, second = value(module(a=b"K\x01") + b"q\x05h\x05\x86")
    assert first is second
    assert isinstance(first, ScriptObject)
    assert first.attributes == {"a": 1}


def test_state_that_is_a_dict_is_told_from_attributes():
    """What `__getstate__` returned has a type tag; the dict of attributes has none."""
    tagged = TAG + b"}(" + text("a") + b"K\x01u" + text("Dict[str, int]") + b"\x86R"
    built = value(name("__torch__", "M") + b")\x81" + tagged + b"b")
    assert isinstance(built, ScriptObject)
    assert built.has_state
    assert built.state == {"a": 1}
    assert built.attributes == {}


def test_a_script_object_may_refer_to_itself():
    built = value(name("__torch__", "M") + b")\x81q\x01}(" + text("me") + b"](h\x01eub")
    assert isinstance(built, ScriptObject)
    assert built.attributes["me"] == [built]


def test_os_system_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArchiveError) as caught:
        _ = open_archive(archive(OS_SYSTEM)).root
    assert str(caught.value) == (
        "data.pkl asks for os.system, which is not part of TorchScript; nothing was executed"
    )
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("record", ["data.pkl", "constants.pkl", "traced_inputs.pkl"])
@pytest.mark.parametrize("protocol", range(6))
def test_hostile_records_of_any_protocol(record, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opened = open_archive(archive(**{record: hostile_pickle(protocol)}))
    with pytest.raises(ArchiveError):
        _ = (opened.root, opened.constants, opened.traced_inputs)
    assert list(tmp_path.iterdir()) == []


def test_a_hostile_debug_record():
    opened = open_archive(archive(**{"code/__torch__.py.debug_pkl": hostile_pickle(2)}))
    with pytest.raises(ArchiveError, match=r"nothing was executed"):
        opened.source_ranges("__torch__")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (name("builtins", "eval") + b")R", "asks for builtins.eval"),
        (name("o\x1b[31ms", "system"), "asks for something that is not a name"),
        (name("__torch__", "M\u2028"), "asks for something that is not a name"),
        (name("torch", "Bits8Storage"), "PyTorch's Bits8 type"),
        (name("torch", "FloatStorage"), "holds a name"),
        (name("__torch__", "M"), "holds a name"),
        (name("torch", "device"), "holds a name"),
        (name("torch", "device") + b"N}(" + text("x") + b"Nu\x86b", "something that is not a new"),
        (name("torch", "device") + b")\x81", "something that is not a class"),
        (name("torch", "device") + b"K\x01\x85R", "does not get what it takes"),
        (b"\x82\x01", "no opcode 0x82"),
        (b"i", "no opcode 0x69"),
        (b"K", "it ends too early|left over"),
        (b"X\xff\xff\xff\xffabc", "it ends too early"),
        (b"X\x01\x00\x00\x00\xff", "not UTF-8"),
        (b"t", "ends too early"),
        (b"NN", "left over"),
        (b"(N", "left over"),
        (b"h\x07", "an entry 7"),
        (b"j\xff\xff\xff\xff", "an entry"),
        (b"\x8a\x10" + bytes(16), "more than 64 bits"),
        (b"NNa", "not a list"),
        (b"N(NNu", "not a dict"),
        (b"}(NNu", "key is of type NoneType"),
        (b"}(" + b"NN\x86" + b"Nu", "key is of type tuple"),
        (b"]q\x00h\x00a", "contains itself"),
        (b"]q\x00(](h\x00ee", "contains itself"),
        (b"N" + b"\x85" * (MAX_DEPTH + 1), "nested over"),
        (b"N" + b"\x85" * 1_000_000, "nested over"),
        (b"N" + b"q\x00h\x00\x86" * 60, "repeats itself"),
        (module(a=b"N") + b"}b", "not a new object"),
        (text("storage") + b"Q", "a storage is not described"),
        (name("torch._utils", "_rebuild_tensor_v2") + b")R", "does not get what it takes"),
    ],
)
def test_refused(data, expected):
    """One line each, at once, and in little memory."""
    with pytest.raises(ArchiveError, match=expected) as caught:
        value(data)
    assert "\n" not in str(caught.value)


def test_the_memo_does_not_grow_to_an_index():
    assert value(b"Nr\xff\xff\xff\xff") is None


@pytest.mark.parametrize(
    "broken",
    [
        tensor((2, 3), (3, 1), offset=1),
        tensor((2, 3), (3,)),
        tensor((2, 4), (3, 1)),
        tensor((2, 3), (-3, 1)),
        tensor((-2, 3), (3, 1)),
        tensor((2, 3), (3, 1), offset=-1),
        tensor((2**62, 2**62), (0, 0)),
    ],
)
def test_tensors_must_lie_in_their_storage(broken):
    opened = open_archive(archive(module(w=broken), **{"data/0": bytes(24)}))
    with pytest.raises(ArchiveError, match=r"_rebuild_tensor_v2 does not get what it takes"):
        _ = opened.root


@given(st.binary(max_size=200))
def test_random_bytes_are_read_or_refused(data):
    try:
        unpickle(memoryview(data), "data.pkl")
    except ArchiveError as error:
        check_one_line(error)


@given(st.data())
def test_damaged_pickles_are_read_or_refused(data):
    """A byte of a good pickle is changed, or its end is missing."""
    good = HEADER + module(a=TAG + b"](K\x01e" + text("List[int]") + b"\x86R", b=b"N")
    good += b"."
    where = data.draw(st.integers(0, len(good) - 1))
    changed = bytearray(good)
    changed[where] = data.draw(st.integers(0, 255))
    for candidate in (bytes(changed), good[:where]):
        try:
            unpickle(memoryview(candidate), "data.pkl")
        except ArchiveError as error:
            check_one_line(error)

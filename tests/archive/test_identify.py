"""A file that is something else is named for what it is, in one line."""

from __future__ import annotations

import io
import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from exporter.archive import open_archive
from exporter.errors import ArchiveError, InputError, NotTorchScriptError
from tests.archive.handmade import HEADER, archive, module, name, text, zipped


def message(data: bytes | str | Path) -> str:
    with pytest.raises(ArchiveError) as caught:
        open_archive(data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, x=np.ones(3))
    return buffer.getvalue()


def safetensors() -> bytes:
    header = json.dumps({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(header)) + header + b"\0" * 4


STATE_DICT = HEADER + name("collections", "OrderedDict") + b")R(" + text("w") + b"K\x01u."
SAVED_MODULE = HEADER + name("mymodels.net", "Net") + b")\x81}(" + text("w") + b"K\x01ub."

CASES = {
    "empty": (b"", "the archive is empty"),
    "text": (b"import torch\nprint('hello')\n", "is a text file"),
    "utf-8 text": ("größe\n".encode() * 1000, "is a text file"),
    "web page": (b"<!DOCTYPE html><html></html>", "is a web page"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "legacy save": (pickle.dumps(0x1950A86A20F9469CFC6C, 2), "format of PyTorch before 1.6"),
    "pickle": (pickle.dumps({"a": 1}), "is a Python pickle"),
    "safetensors": (safetensors(), "is a safetensors file"),
    "onnx": (b"\x08\x08\x12\x07pytorch", "is an ONNX model already"),
    "numpy": (b"\x93NUMPY\x01\x00", "is a NumPy array"),
    "gzip": (b"\x1f\x8b\x08\x00", "gzip-compressed"),
    "flatbuffer": (b"\x10\0\0\0PTMF", "mobile file in flatbuffer format"),
    "noise": (b"\xff\xfe\x00\x01\x99" * 9, "nor a file of any known kind"),
    "state dict": (zipped({"data.pkl": STATE_DICT, "version": b"3"}), "is a state dict"),
    "checkpoint": (zipped({"data.pkl": HEADER + b"}.", "version": b"3"}), "is a state dict"),
    "saved module": (
        zipped({"data.pkl": SAVED_MODULE, "version": b"3"}),
        "is a Python object of class mymodels.net.Net saved by torch.save",
    ),
    "before 1.4": (zipped({"model.json": b"{}", "version": b"1"}), "before PyTorch 1.4"),
    "pt2": (
        zipped({"archive_format": b"pt2", "models/model.json": b"{}"}),
        "is a torch.export program (.pt2)",
    ),
    "old pt2": (
        zipped({"serialized_exported_program.json": b"{}", "version": b"5.3"}, folder=""),
        "is a torch.export program (.pt2)",
    ),
    "package": (
        zipped({".data/extern_modules": b"", ".data/version": b"6"}),
        "is a torch.package",
    ),
    "npz": (npz(), "is a NumPy .npz file"),
    "plain zip": (zipped({"a.txt": b"a", "b/c.txt": b"c"}, folder=""), "is a zip file, but not"),
    "empty zip": (zipped({}), "is an empty zip file"),
}


@pytest.mark.parametrize("case", CASES)
def test_other_files_are_named(case):
    data, expected = CASES[case]
    with pytest.raises(NotTorchScriptError):
        open_archive(data)
    assert expected in message(data)


def test_a_directory_and_a_missing_file(tmp_path):
    assert message(tmp_path) == f"{tmp_path} is a directory; give the archive file itself"
    assert message(tmp_path / "no.pt") == f"{tmp_path / 'no.pt'} does not exist"


def test_an_unreadable_path():
    assert "can't be read" in message("a\0b")


def test_the_path_begins_the_message(tmp_path):
    path = tmp_path / "notes.pt"
    path.write_text("just some notes")
    assert message(path).startswith(f"{path} is a text file")
    assert message(str(path)).startswith(f"{path} is a text file")


def test_a_text_file_object_is_refused(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"PK\xff")
    with path.open() as file, pytest.raises(InputError, match=r"model\.pt is not opened in binary"):
        open_archive(file)
    with pytest.raises(InputError, match="the archive is not opened in binary mode"):
        open_archive(io.StringIO("x"))


def test_what_is_no_file_at_all():
    with pytest.raises(InputError, match="an object of type int is no archive"):
        open_archive(5)


def test_each_truncation_is_one_line(tmp_path):
    """However short it was cut, there is one line that says so."""
    whole = archive(module(a=text("x" * 500)), **{"data/0": bytes(5000)})
    path = tmp_path / "cut.pt"
    for point in range(20):
        path.write_bytes(whole[: len(whole) * point // 20])
        expected = "is empty" if point == 0 else "is cut off"
        assert expected in message(path)
    for length in range(1, len(whole)):
        with pytest.raises(ArchiveError, match=r"cut off"):
            open_archive(whole[:length])

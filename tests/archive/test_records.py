"""The zip directory is not believed."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.archive import open_archive
from exporter.archive.records import MAX_INFLATED, Records
from exporter.errors import ArchiveError
from tests.archive.handmade import archive, check_one_line, module, records, tensor, text, zipped

SMALL = archive(module(w=tensor((2, 3), (3, 1))), **{"data/0": bytes(range(24))})
DIRECTORY = SMALL.find(b"PK\x01\x02")


def patched(data: bytes, position: int, layout: str, *values: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into(layout, changed, position, *values)
    return bytes(changed)


def entry(data: bytes, record: str) -> int:
    """Where the record's directory entry begins."""
    return data.rfind(b"archive/" + record.encode()) - 46


def everything(data: bytes) -> None:
    """Read all that an archive holds."""
    opened = open_archive(data)
    _ = (opened.constants, opened.traced_inputs, dict(opened.code), opened.extra_files)
    for value in opened.root.attributes.values():
        if hasattr(value, "numpy"):
            value.numpy()


def refused(data: bytes, pattern: str) -> None:
    with pytest.raises(ArchiveError, match=pattern) as caught:
        everything(data)
    assert "\n" not in str(caught.value)


def test_deflated_records_are_read():
    contents = records(module(w=tensor((2, 3), (3, 1))), **{"data/0": bytes(range(24))})
    opened = open_archive(zipped(contents, compression=zipfile.ZIP_DEFLATED))
    weight = opened.root.attributes["w"]
    assert weight.numpy().tobytes() == bytes(range(24))
    assert weight.file_offset is None


def test_a_record_that_claims_to_expand_beyond_the_limit():
    contents = records(**{"code/__torch__.py": bytes(100_000)})
    data = zipped(contents, compression=zipfile.ZIP_DEFLATED)
    at = entry(data, "code/__torch__.py")
    refused(patched(data, at + 24, "<L", MAX_INFLATED + 1), "claims to expand")


def test_a_bomb_that_lies_about_its_size():
    data = zipped(
        records(**{"code/__torch__.py": bytes(1_000_000)}), compression=zipfile.ZIP_DEFLATED
    )
    at = entry(data, "code/__torch__.py")
    refused(patched(data, at + 24, "<L", 10), "does not have its size or checksum")


def test_overlapping_records():
    at = entry(SMALL, "data/0")
    (first,) = struct.unpack_from("<L", SMALL, entry(SMALL, "data.pkl") + 42)
    refused(patched(SMALL, at + 42, "<L", first), "overlap")


def test_a_record_beyond_the_end():
    at = entry(SMALL, "data/0")
    refused(patched(SMALL, at + 20, "<LL", 1 << 30, 1 << 30), "reaches beyond")


def test_a_local_header_that_is_not_there():
    (offset,) = struct.unpack_from("<L", SMALL, entry(SMALL, "data/0") + 42)
    refused(patched(SMALL, offset, "<L", 0), "not where the directory says")


def test_a_local_header_with_a_long_name():
    (offset,) = struct.unpack_from("<L", SMALL, entry(SMALL, "data/0") + 42)
    refused(patched(SMALL, offset + 26, "<H", 60_000), "not where the directory says")


def test_encrypted_and_otherwise_compressed_records():
    at = entry(SMALL, "data/0")
    refused(patched(SMALL, at + 8, "<H", 1), "encrypted")
    refused(patched(SMALL, at + 10, "<H", 14), "not stored as PyTorch does")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_records_of_one_name():
    buffer = io.BytesIO(SMALL)
    with zipfile.ZipFile(buffer, "a") as file:
        file.writestr("archive/data.pkl", b"\x80\x02N.")
    refused(buffer.getvalue(), "two records named 'data.pkl'")


def test_a_directory_that_is_no_directory():
    refused(patched(SMALL, DIRECTORY, "<L", 0), "directory can't be read")


def test_a_directory_of_nothing():
    refused(patched(SMALL, SMALL.rfind(b"PK\x05\x06") + 10, "<H", 0), "can't be read")


def test_a_count_beyond_the_directory():
    refused(patched(SMALL, SMALL.rfind(b"PK\x05\x06") + 10, "<H", 60_000), "can't be read")


def test_record_names_with_control_characters():
    at = entry(SMALL, "data/0")
    refused(patched(SMALL, at + 46 + 8, "<B", 0x1B), "directory can't be read")


def test_code_that_is_not_text():
    refused(archive(**{"code/__torch__.py": b"\xff\xff"}), "not UTF-8")


def test_a_short_storage():
    data = archive(module(w=tensor((2, 3), (3, 1))), **{"data/0": bytes(20)})
    refused(data, r"data/0 has 20 of its 24 bytes")


def test_a_missing_storage():
    refused(archive(module(w=tensor((2, 3), (3, 1)))), r"no record 'data/0'")


def test_zip64_directories():
    """PyTorch writes 64-bit fields for big archives; here a small one has them by hand."""
    end = SMALL.rfind(b"PK\x05\x06")
    _, _, _, _, count, size, start, _ = struct.unpack_from("<4sHHHHLLH", SMALL, end)
    end_64 = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    last = struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    everything(SMALL[:end] + end_64 + locator + last)


def test_zip64_entries():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for record, data in records(module(w=tensor((2, 3), (3, 1)))).items():
            file.writestr(f"archive/{record}", data)
        with file.open("archive/data/0", "w", force_zip64=True) as stream:
            stream.write(bytes(range(24)))
    everything(buffer.getvalue())
    # The same with the sizes in the directory's own 64-bit field.
    at = SMALL.rfind(b"archive/data/0") - 46
    sizes = struct.unpack_from("<LL", SMALL, at + 20)
    wide = patched(SMALL, at + 20, "<LL", 0xFFFFFFFF, 0xFFFFFFFF)
    wide = patched(wide, at + 30, "<H", 20)
    field = struct.pack("<HHQQ", 1, 16, sizes[1], sizes[0])
    split = at + 46 + len("archive/data/0")
    wide = wide[:split] + field + wide[split:]
    end = wide.rfind(b"PK\x05\x06")
    size = struct.unpack_from("<L", wide, end + 12)[0]
    everything(patched(wide, end + 12, "<L", size + 20))


def test_names_are_without_the_folder():
    found = Records(memoryview(SMALL), "x")
    assert found.folder == "archive"
    assert set(found) == {"data.pkl", "code/__torch__.py", "constants.pkl", "version", "data/0"}
    assert found.text("version") == "3\n"


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_changed_bytes_are_read_or_refused(data):
    """Any damage to a small archive gives an ArchiveError or goes unnoticed, nothing else."""
    whole = archive(module(w=tensor((2, 3), (3, 1)), a=text("b")), **{"data/0": bytes(24)})
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        everything(bytes(changed))
    except ArchiveError as error:
        check_one_line(error)

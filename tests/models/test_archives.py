"""The ready archives are in step with the code that makes them; needs PyTorch."""

import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from models import ARCHIVES, MODELS

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_archives.py"
NAMES = sorted(path.name for path in ARCHIVES.glob("*.pt"))


def test_archives_are_those_that_the_registry_keeps() -> None:
    kept = {model.archive(mode) for model in MODELS.values() for mode in model.archived_modes}
    assert {path for path in ARCHIVES.iterdir() if path.suffix == ".pt"} == kept
    assert {path for path in ARCHIVES.iterdir() if path.suffix == ".npz"} == {
        path.with_suffix(".npz") for path in kept
    }


def test_archives_are_small() -> None:
    assert sum(path.stat().st_size for path in ARCHIVES.iterdir()) < 700_000


def test_archives_are_what_the_code_makes() -> None:
    """`scripts/make_archives.py` mends what this finds."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_archive_is_laid_out_as_pytorch_does(name: str) -> None:
    """Stored records start on multiples of 64 bytes, and none names a folder of the machine."""
    data = (ARCHIVES / name).read_bytes()
    with zipfile.ZipFile(ARCHIVES / name) as archive:
        for record in archive.infolist():
            content = archive.read(record)
            for folder in (str(SCRIPT.parents[1]), sys.prefix, sys.base_prefix):
                assert f"{folder}/".encode() not in content
            if record.compress_type == zipfile.ZIP_STORED:
                start = record.header_offset
                name_length, extra_length = struct.unpack_from("<HH", data, start + 26)
                assert (start + 30 + name_length + extra_length) % 64 == 0

#!/usr/bin/env python3
"""Write the ready archives in `models/archives/`, or say which are out of step with the code.

    make_archives.py [--models REGEX] [--check]

Each file is the small variant of a model, saved by `torch.jit.save`, and has beside it a `.npz`
with what PyTorch returned, so that tests can judge a conversion without PyTorch; the layout of the
arrays is described in `models/recording.py`.

The same code, release of PyTorch and kind of CPU give the same bytes. For that, each archive is
made in a fresh process (names of classes are numbered within a process) with a fixed seed for
Python's hashes (constants of classes are saved in the order of a set), and the paths that PyTorch
records for its error messages are cut to what follows the place of installation.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import pickletools
import re
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from models import ARCHIVES, MODELS, Mode, Model  # noqa: E402
from models.comparison import difference  # noqa: E402

_ALIGNMENT = 64
_FLOATS = {"torch FloatStorage": np.float32, "torch DoubleStorage": np.float64}
#: What a recorded path may start with: where this project, torch and the standard library are.
_PREFIXES = tuple(
    f"{folder}/"
    for folder in (ROOT, Path(torch.__file__).parent.parent, sysconfig.get_path("stdlib"))
)


def archived(pattern: str = "") -> Iterator[tuple[Model, Mode]]:
    """Every model and mode of which a ready archive is kept."""
    for model in MODELS.values():
        if re.search(pattern, model.name):
            yield from ((model, mode) for mode in model.archived_modes)


def _relative_paths(pickled: bytes) -> bytes:
    """Cut the prefixes of paths among the strings of a pickle, which stays as it is otherwise."""
    pieces, done = [], 0
    for opcode, value, start in pickletools.genops(pickled):
        if opcode.name != "BINUNICODE" or not value.startswith(_PREFIXES):
            continue
        prefix = next(p for p in _PREFIXES if value.startswith(p))
        text = value.removeprefix(prefix).encode()
        end = start + 5 + len(value.encode())  # the opcode and four bytes of length
        pieces += [pickled[done:start], b"X", len(text).to_bytes(4, "little"), text]
        done = end
    return b"".join([*pieces, pickled[done:]])


def portable(archive: bytes) -> bytes:
    """Write an archive again without the machine's paths, its records aligned as PyTorch does."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(archive)) as source,
        zipfile.ZipFile(out, "w", compresslevel=9) as target,
    ):
        for old in source.infolist():
            content = source.read(old)
            if old.filename.endswith(".debug_pkl"):
                content = _relative_paths(content)
            new = zipfile.ZipInfo(old.filename)  # dated 1980 unless told otherwise
            new.compress_type = old.compress_type
            new.create_system = 0
            if new.compress_type == zipfile.ZIP_STORED:
                # A field "FB" of the length that lets the content start on the boundary.
                header = out.tell() + 30 + len(new.filename.encode()) + 4
                padding = -header % _ALIGNMENT
                new.extra = b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
            target.writestr(new, content)
    return out.getvalue()


def _write(name: str, mode: Mode, folder: Path) -> None:
    model = MODELS[name]
    path = folder / model.archive(mode).name
    sample = model.sample(small=True)
    path.write_bytes(portable(sample.archive_bytes(mode)))
    sample.recording(model.state).save(path.with_suffix(".npz"))


def write_archives(folder: Path, pattern: str = "") -> list[Path]:
    """Make the archives that match, each in a process of its own."""
    context = multiprocessing.get_context("fork")
    paths = []
    for model, mode in archived(pattern):
        process = context.Process(target=_write, args=(model.name, mode, folder))
        process.start()
        process.join()
        if process.exitcode != 0:
            raise RuntimeError(f"could not make the archive of {model.name}, {mode}")
        paths.append(folder / model.archive(mode).name)
    return paths


def _float_storages(pickled: bytes) -> dict[str, type[np.floating]]:
    """Find the numbers of the storages of floats that a pickle refers to, and their dtypes."""
    found, memo, words = {}, {}, []
    for opcode, value, _ in pickletools.genops(pickled):
        if opcode.name in ("GLOBAL", "BINUNICODE"):
            words.append(value)
        elif opcode.name in ("BINPUT", "LONG_BINPUT"):
            memo[value] = words[-1]
        elif opcode.name in ("BINGET", "LONG_BINGET"):
            words.append(memo[value])
        elif opcode.name == "BINPERSID":
            _, kind, number, _ = words[-4:]
            if kind in _FLOATS:
                found[number] = _FLOATS[kind]
    return found


def _record_difference(
    name: str, kept: bytes, made: bytes, dtype: type[np.floating] | None
) -> str | None:
    """Compare one record; floats may differ in the last bits between CPUs."""
    if kept == made:
        return None
    if dtype is not None and len(kept) == len(made):
        arrays = [np.frombuffer(content, dtype) for content in (kept, made)]
        return difference(arrays[:1], arrays[1:])
    return f"{name} differs"


def archive_difference(kept: Path, made: Path) -> str | None:
    """Say how an archive and its arrays differ from freshly made ones; None where they agree."""
    for path in (kept, kept.with_suffix(".npz")):
        if not path.exists():
            return f"{path.name} is missing"
    with zipfile.ZipFile(kept) as old, zipfile.ZipFile(made) as new:
        if old.namelist() != new.namelist():
            return "other records"
        floats = {
            name.replace(".pkl", f"/{number}"): dtype
            for name in old.namelist()
            if name.endswith(("/data.pkl", "/constants.pkl"))
            for number, dtype in _float_storages(old.read(name)).items()
        }
        for name in old.namelist():
            # Line numbers move with every edit, and the id is a checksum of all records.
            if name.endswith((".debug_pkl", "serialization_id")):
                continue
            problem = _record_difference(name, old.read(name), new.read(name), floats.get(name))
            if problem is not None:
                return problem
    with np.load(kept.with_suffix(".npz")) as old, np.load(made.with_suffix(".npz")) as new:
        if old.files != new.files:
            return "other arrays"
        return difference([old[n] for n in old.files], [new[n] for n in new.files])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", default="", metavar="REGEX", help="only those that match")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if out of step")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.check:
        return _check(arguments.models)
    paths = write_archives(ARCHIVES, arguments.models)
    for path in paths:
        print(f"{path.stat().st_size:8,}  {path.name}")
    files = [file for file in ARCHIVES.iterdir() if file.suffix in (".pt", ".npz")]
    print(f"{sum(file.stat().st_size for file in files):8,}  in all {len(files)} files")
    return 0


def _check(pattern: str) -> int:
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for made in write_archives(Path(folder), pattern):
            problem = archive_difference(ARCHIVES / made.name, made)
            failed += problem is not None
            print(f"{made.name:36} {problem or 'ok'}")
    return 1 if failed else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # takes effect at start only
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"PYTHONHASHSEED": "0"})
    sys.exit(main())

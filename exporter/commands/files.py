"""The files that a conversion reads and writes beside the archive.

Nothing is written over what was read, and what is written appears when it is complete. That a file
can't be written is said before the work is done, as far as its folder tells.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click
import numpy as np

from exporter.onnx_graph.writing import folder_beside, is_device, place_of

if TYPE_CHECKING:
    from exporter.conversion.boundary.state import InitialState

__all__ = ["Arrays", "check_targets", "read_arrays", "write_state"]

Arrays: TypeAlias = dict[str, np.ndarray[Any, Any]] | list[np.ndarray[Any, Any]]


def check_targets(targets: Sequence[Path], sources: Mapping[str, str | None]) -> None:
    """Refuse to write a file over a folder, over another one, or over what is read.

    `sources` are the files that are read, by what the user calls them.
    """
    for target in targets:
        if target.is_dir():
            raise click.UsageError(f"{target} is a folder; give the file to write")
        for what, source in sources.items():
            if source is not None and _same(target, Path(source)):
                raise click.UsageError(f"the output would replace {what}")
        if not target.parent.is_dir():
            missing = os.strerror(errno.ENOENT)
            raise FileNotFoundError(errno.ENOENT, f"{missing}: {target.parent}", str(target))
    if len(targets) > 1 and len({target.resolve() for target in targets}) < len(targets):
        raise click.UsageError(f"{targets[0]} is to be written twice")


def _same(target: Path, source: Path) -> bool:
    if target.exists() and source.exists():
        return target.samefile(source)
    return target.resolve() == source.resolve()


def read_arrays(file: str) -> Arrays:
    """The arrays of an `.npz` by name, in order where the names are NumPy's own: arr_0, arr_1."""
    try:
        with np.load(file) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except OSError:
        raise
    except Exception as error:
        raise click.UsageError(f"{file} is not an .npz file of arrays: {error}") from None
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # any zip file can be opened
            raise click.UsageError(f"{file} is not an .npz file of arrays: {name} is none")
    if list(arrays) == [f"arr_{i}" for i in range(len(arrays))]:
        return list(arrays.values())
    return arrays


def write_state(path: Path, state: InitialState) -> None:
    """Write an `.npz`, complete or not at all. The tensors of a list are `name.0`, `name.1`."""
    arrays: dict[str, Any] = {}
    for name, value in state.items():
        if isinstance(value, list):
            arrays.update((f"{name}.{i}", item) for i, item in enumerate(value))
        else:
            arrays[name] = value
    path = place_of(path)
    if is_device(path):
        content = BytesIO()
        np.savez(content, allow_pickle=False, **arrays)
        path.write_bytes(content.getvalue())
        return
    with folder_beside(path) as folder:
        made = folder / path.name
        with made.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        made.replace(path)

"""ScriptModules within a torch.package, which keeps them beside Python code.

Each has a number and a folder of its own, `.data/ts_code/0` and so on; all share the code in
`.data/ts_code/code` and the tensors in `.data`. The package's Python is neither read nor run.
"""

from __future__ import annotations

import io
import zipfile

from exporter.archive.identify import SCRIPT_IT, first_class
from exporter.archive.records import Records
from exporter.errors import InputError, NotTorchScriptError

__all__ = ["is_package", "plain_archive", "script_module_of"]

_MODULES = ".data/ts_code/"


def is_package(records: Records) -> bool:
    """Whether these are the records of a torch.package."""
    return ".data/extern_modules" in records


def script_module_of(records: Records, number: int | None) -> Records:
    """The records of one ScriptModule of a package, named as in an archive of its own.

    Without a number there must be just one module.

    Raises a NotTorchScriptError for a package that holds no ScriptModule, an InputError for a
    number that it doesn't have.
    """
    source = records.source
    modules = _modules(records)
    if not modules:
        raise NotTorchScriptError(
            f"{source} is a torch.package that holds Python code alone; load it with "
            f"torch.package.PackageImporter and {SCRIPT_IT}"
        )
    if number is None and len(modules) == 1:
        (number,) = modules
    if number not in modules:
        asked = "which one is not said" if number is None else f"none of them is number {number}"
        raise InputError(
            f"{source} is a torch.package of {len(modules)} ScriptModules; {asked}",
            (
                *(f"{known}: {name}" for known, name in sorted(modules.items())),
                "choose one with --script-module, or exporter.load(path, script_module=...)",
            ),
        )
    own = f"{_MODULES}{number}/"
    names = {name.removeprefix(own): name for name in records if name.startswith(own)}
    for name in records:
        if name.startswith(f"{_MODULES}code/"):
            names[name.removeprefix(_MODULES)] = name
        elif name.startswith(".data/") and name.endswith(".storage"):
            names[f"tensors/{name.removeprefix('.data/')}"] = name
        elif name in (".data/version", "byteorder", ".data/byteorder"):
            names[name.removeprefix(".data/")] = name
    return records.renamed(names)


def plain_archive(records: Records) -> bytes:
    """An archive, as `torch.jit.save` writes it, of such records."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in records:
            folder, _, key = name.partition("/")
            stored = [f"data/{key}", f"constants/{key}"] if folder == "tensors" else [name]
            for each in stored:
                archive.writestr(f"archive/{each}", records.read(name))
    return file.getvalue()


def _modules(records: Records) -> dict[int, str]:
    """The numbers of a package's ScriptModules, and the names of their classes."""
    found = {}
    for name in records:
        number, _, record = name.removeprefix(_MODULES).partition("/")
        if name.startswith(_MODULES) and record == "data.pkl" and number.isdecimal():
            found[int(number)] = first_class(records, name).removeprefix("__torch__.")
    return found

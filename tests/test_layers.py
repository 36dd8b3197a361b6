"""Imports run one way, and PyTorch is nobody's but `live`'s; works without PyTorch."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: What each layer must not know: all that comes after it on the way from archive to ONNX.
#: The graph side stands apart from the archive's code: it knows ONNX and nothing of TorchScript.
FORBIDDEN = {
    "archive": ("torchscript", "conversion", "onnx_graph", "verification", "symbolics"),
    "torchscript": ("conversion", "onnx_graph", "verification", "symbolics"),
    "onnx_graph": ("torchscript", "conversion", "verification", "symbolics"),
}

CONVERT = """
import sys
from pathlib import Path
from exporter import export
from models import MODELS
from models.recording import Recording

model = MODELS["rnn_loop"]
archive = model.archive("scripted")
example = Recording.load(archive.with_suffix(".npz")).example()
export(archive, example, Path(sys.argv[1]))
assert Path(sys.argv[1]).stat().st_size > 0
"""

BLOCK = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "functorch", "torchgen"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
"""

NO_TORCH = "\nimport sys; assert 'torch' not in sys.modules, 'torch was imported'\n"


def run(program: str, *arguments: str) -> None:
    """Run a program in a fresh Python that finds this source tree."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr


def imported_names(path: Path) -> Iterator[str]:
    """The full names of all that a file imports, anywhere in it, relative imports resolved."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *filter(None, [node.module])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def importers(paths: list[Path], *packages: str) -> list[str]:
    """Say which of the files import one of the packages or something in it."""
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in paths
        for name in imported_names(path)
        if any(name == package or name.startswith(f"{package}.") for package in packages)
    ]


@pytest.mark.parametrize("module", ["exporter", "symbolics", "exporter.cli", "models"])
def test_importing_leaves_torch_out(module: str) -> None:
    run(f"import {module}" + NO_TORCH)


def test_converting_an_archive_leaves_torch_out(tmp_path: Path) -> None:
    """Where PyTorch is installed it is still not imported for an archive: that takes seconds."""
    run(CONVERT + NO_TORCH, str(tmp_path / "model.onnx"))


def test_converting_an_archive_works_where_torch_is_missing(tmp_path: Path) -> None:
    run(BLOCK + CONVERT, str(tmp_path / "model.onnx"))


def test_the_blocker_blocks() -> None:
    """The test above shows something only if this holds."""
    with pytest.raises(AssertionError, match="torch is blocked"):
        run(BLOCK + "import torch")


@pytest.mark.parametrize("layer", FORBIDDEN)
def test_imports_run_one_way(layer: str) -> None:
    files = sources(f"exporter/{layer}")
    assert files
    names = [n if n == "symbolics" else f"exporter.{n}" for n in FORBIDDEN[layer]]
    assert importers(files, *names) == []


def test_only_live_imports_torch() -> None:
    live = sources("exporter/live")
    files = [path for path in sources("exporter", "symbolics") if path not in live]
    assert importers(files, "torch") == []


def test_the_package_imports_nothing_of_its_surroundings() -> None:
    """The models, scripts and tests are not part of the wheel."""
    assert importers(sources("exporter", "symbolics"), "models", "scripts", "tests") == []


def public_names(path: Path) -> list[str] | None:
    """What `__all__` lists; None where there is none, or it is computed."""
    for node in ast.parse(path.read_text(), str(path)).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == "__all__":
            listed = node.value  # type: ignore[attr-defined]
            return list(ast.literal_eval(listed)) if isinstance(listed, ast.List) else None
    return None


def test_what_is_imported_is_public() -> None:
    """A module's `__all__` tells who reads it what others take from it; modules are all public."""
    files = sources("exporter", "symbolics")
    public: dict[str, list[str]] = {}
    modules = set()
    for path in files:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        modules.add(name)
        listed = public_names(path)
        if listed is not None:
            public[name] = listed
    private = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources("exporter")
        for name in imported_names(path)
        for module, _, taken in [name.rpartition(".")]
        if module in public and taken not in public[module] and name not in modules
    ]
    assert [line for line in private if not line.endswith(".__version__")] == []


def test_relative_imports_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer can't be crossed by writing the import another way."""
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    folder = tmp_path / "exporter" / "archive"
    folder.mkdir(parents=True)
    (folder / "a.py").write_text(
        "from ..conversion import x\nfrom .. import onnx_graph\nfrom . import b\n"
        "def f():\n    import torch.nn as nn\n"
    )
    assert sorted(imported_names(folder / "a.py")) == [
        "exporter.archive.b",
        "exporter.conversion.x",
        "exporter.onnx_graph",
        "torch.nn",
    ]

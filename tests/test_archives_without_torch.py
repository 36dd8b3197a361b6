"""Every ready archive converts and gives the recorded results; no PyTorch is imported here.

That none is imported by what is called either is the subject of `test_layers.py`.
"""

import zipfile
from pathlib import Path

import pytest

from exporter import TensorSpec, export
from models import MODELS, Mode, Model
from models.judging import problem_with
from models.recording import Recording

KEPT = [(model, mode) for model in MODELS.values() for mode in model.archived_modes]
#: Both ends of a model's opsets and the default; `scripts/check_models.py` tries the others.
CASES = [(model, mode, opset) for model, mode in KEPT for opset in (model.opsets[0], 20, 26)]
IDS = [f"{model.archive_name(mode)}-{opset}" for model, mode, opset in CASES]


def has_example(archive: Path) -> bool:
    """Archives of traced modules say what they were traced with, those of parts don't."""
    with zipfile.ZipFile(archive) as records:
        return any(name.endswith("/traced_inputs.pkl") for name in records.namelist())


TRACED = [(model, mode) for model, mode in KEPT if has_example(model.archive(mode))]


def axes(model: Model) -> dict[str, dict[int, str]]:
    return {name: dict(dims) for name, dims in model.dynamic_axes.items()}


@pytest.mark.parametrize(("model", "mode", "opset"), CASES, ids=IDS)
def test_archive_gives_the_recorded_results(
    model: Model, mode: Mode, opset: int, tmp_path: Path
) -> None:
    """On all recorded calls: other sizes, the other branch, a stateful model's next steps."""
    archive, output = model.archive(mode), tmp_path / "model.onnx"
    recording = Recording.load(archive.with_suffix(".npz"))
    export(
        archive,
        recording.example(),
        output,
        input_names=list(model.input_names),
        output_names=list(model.output_names),
        dynamic_axes=axes(model),
        opset_version=opset,
    )
    assert problem_with(output, model, recording) is None


@pytest.mark.parametrize(("model", "mode"), TRACED, ids=[m.archive_name(n) for m, n in TRACED])
def test_traced_archive_needs_no_arguments(model: Model, mode: Mode, tmp_path: Path) -> None:
    """It is exported by the example inputs that it was traced with."""
    archive, output = model.archive(mode), tmp_path / "model.onnx"
    export(
        archive,
        None,
        output,
        input_names=list(model.input_names),
        output_names=list(model.output_names),
        dynamic_axes=axes(model),
    )
    assert problem_with(output, model, Recording.load(archive.with_suffix(".npz"))) is None


def test_named_dims_of_a_spec_are_dynamic(tmp_path: Path) -> None:
    """A spec does for a scripted archive what example inputs and `dynamic_axes` do."""
    model, output = MODELS["decision_gate"], tmp_path / "model.onnx"
    archive = model.archive("scripted")
    spec = TensorSpec("float32", ("batch", 4))
    export(archive, (spec,), output, input_names=["x"], output_names=["y"])
    assert problem_with(output, model, Recording.load(archive.with_suffix(".npz"))) is None


def test_bytes_and_files_convert_like_paths(tmp_path: Path) -> None:
    """The same archive in memory and as an open file."""
    model = MODELS["my_cell"]
    archive = model.archive("scripted")
    recording = Recording.load(archive.with_suffix(".npz"))
    options = {
        "input_names": list(model.input_names),
        "output_names": list(model.output_names),
        "dynamic_axes": axes(model),
    }
    export(archive.read_bytes(), recording.example(), tmp_path / "bytes.onnx", **options)
    with archive.open("rb") as file:
        export(file, recording.example(), tmp_path / "file.onnx", **options)
    for name in ("bytes.onnx", "file.onnx"):
        assert problem_with(tmp_path / name, model, recording) is None

"""The command: what it writes and prints, its exit codes, and that it leaves nothing half-done."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest

from exporter import cli
from models import ARCHIVES
from models.recording import Recording
from tests.archive import handmade

RESNET = str(ARCHIVES / "resnet18.pt")
GATE = str(ARCHIVES / "decision_gate.pt")
STATEFUL = str(ARCHIVES / "running_mean.pt")

#: A method whose words are no numbers, whatever they look like.
OF_WORDS = handmade.archive(
    **{
        "code/__torch__.py": b"""
class M(Module):
  __parameters__ = []
  training : bool
  def forward(self: __torch__.M, x: Tensor, word: str) -> Tensor:
    if torch.eq(word, "5"):
      result = torch.mul(x, 2)
    else:
      if torch.eq(word, "none"):
        result = torch.mul(x, 3)
      else:
        result = torch.mul(x, 4)
    return result
"""
    }
)


class Result:
    """What a run of the command gave."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Run the command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Result:
        with pytest.raises(SystemExit) as ended:
            cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(int(ended.value.code or 0), captured.out, captured.err)

    return run


def inputs_of(path: str) -> dict[str, list[object]]:
    graph = onnx.load(path).graph
    return {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in graph.input
    }


def test_a_traced_archive_needs_nothing_but_its_name(run) -> None:
    result = run(RESNET)
    assert result.code == 0
    assert result.out.splitlines()[0].startswith(f"{RESNET} -> resnet18.onnx: opset 20, ")
    assert "  input   x       float32[1, 3, 20, 20]" in result.out.splitlines()
    assert result.err == ""
    onnx.checker.check_model("resnet18.onnx")


def test_options_reach_the_conversion(run) -> None:
    result = run(
        RESNET, "-o", "out.onnx", "--dynamic", "image:0=batch", "--opset", 13,
        "--input-names", "image", "--output-names", "logits", "--weights", "external", "-q",
    )  # fmt: skip
    assert (result.code, result.out, result.err) == (0, "", "")
    model = onnx.load("out.onnx")
    assert model.opset_import[0].version == 13
    assert inputs_of("out.onnx") == {"image": ["batch", 3, 20, 20]}
    assert [value.name for value in model.graph.output] == ["logits"]
    assert Path("out.onnx.data").exists()


def test_weights_stay_in_the_archive(run) -> None:
    Path("resnet18.pt").write_bytes(Path(RESNET).read_bytes())
    assert run("resnet18.pt", "-q", "--weights", "reference").code == 0
    model = onnx.load("resnet18.onnx", load_external_data=False)
    places = {t.external_data[0].value for t in model.graph.initializer if t.external_data}
    assert places == {"resnet18.pt"}
    result = run(RESNET, "--weights", "reference")
    assert result.code == 2
    assert "must lie in the folder of the model or below it" in result.err


def test_a_scripted_archive_takes_a_spec(run) -> None:
    assert run(GATE, "-i", "x=float32[batch, 4]").code == 0
    assert inputs_of("decision_gate.onnx") == {"x": ["batch", 4]}


def test_a_scripted_archive_without_one_says_so(run, tmp_path) -> None:
    result = run(GATE)
    assert result.code == 2
    first, *notes = result.err.splitlines()
    assert first.startswith(f"error: {GATE}: the argument x (Tensor) is not given")
    assert '--input "x=float32[batch,3]"' in result.err
    assert all(note.startswith("  ") for note in notes)
    assert list(tmp_path.iterdir()) == []


def test_state_is_written_and_declared(run) -> None:
    recording = Recording.load(Path(STATEFUL).with_suffix(".npz"))
    shape = ",".join(map(str, recording.calls[0].inputs[0].shape))
    result = run(STATEFUL, "-i", f"x=float32[{shape}]", "--state-out", "state.npz")
    assert result.code == 0, result.err
    assert any("(state)" in line for line in result.out.splitlines())
    with np.load("state.npz") as stored:
        assert stored.files == ["mean", "count"]
        for name, array in zip(stored.files, recording.state, strict=True):
            np.testing.assert_array_equal(stored[name], array)
    assert Path("state.npz").stat().st_mode == Path("running_mean.onnx").stat().st_mode
    assert run(STATEFUL, "-i", f"x=float32[{shape}]", "--freeze-state", "-q").code == 0
    assert list(inputs_of("running_mean.onnx")) == ["x"]


def test_constants(run) -> None:
    result = run(ARCHIVES / "chatbot_general.pt", "-i", "input_seq=int64[time,1]",
                 "-i", "input_length=int64[1]", "--const", "max_length=3")  # fmt: skip
    assert result.code == 0, result.err
    assert list(inputs_of("chatbot_general.onnx")) == ["input_seq", "input_length"]


def test_json_report(run) -> None:
    report = json.loads(run(RESNET, "--json").out)
    assert report["output"] == "resnet18.onnx"
    assert report["inputs"] == [{"name": "x", "dtype": "float32", "shape": "[1, 3, 20, 20]"}]
    assert report["nodes"] == sum(report["operators"].values())
    assert report["verification"] is None


def test_json_error(run) -> None:
    Path("text.pt").write_text("hello")
    result = run("text.pt", "--json")
    assert result.code == 1
    assert result.err == ""
    error = json.loads(result.out)["error"]
    assert error["type"] == "NotTorchScriptError"
    assert error["exit_code"] == 1
    assert "text.pt" in error["message"]


def test_arrays_verify(run) -> None:
    recording = Recording.load(Path(RESNET).with_suffix(".npz"))
    call = recording.calls[0]
    np.savez("in.npz", *call.inputs)
    np.savez("out.npz", output=call.outputs[0])
    arguments = (RESNET, "--inputs", "in.npz", "--expected", "out.npz")
    result = run(*arguments)
    assert result.code == 0, result.err
    assert "verified  agrees with the given arrays (as given)" in result.out


def test_arrays_are_examples_for_scripted_archives(run) -> None:
    recording = Recording.load(Path(STATEFUL).with_suffix(".npz"))
    (call, *_) = recording.calls
    np.savez("in.npz", x=call.inputs[0], count=recording.state[1])
    np.savez("out.npz", *call.outputs)
    result = run(STATEFUL, "--inputs", "in.npz", "--expected", "out.npz")
    assert result.code == 0, result.err
    assert inputs_of("running_mean.onnx")["x"] == list(call.inputs[0].shape)
    np.savez("in.npz", *call.inputs)
    assert run(STATEFUL, "--inputs", "in.npz", "--verify").code == 0
    np.savez("in.npz", wrong=call.inputs[0])
    assert run(STATEFUL, "--inputs", "in.npz", "--verify").code == 2


def test_a_difference_is_told_and_nothing_is_written(run) -> None:
    recording = Recording.load(Path(RESNET).with_suffix(".npz"))
    call = recording.calls[0]
    np.savez("in.npz", x=call.inputs[0])
    np.savez("out.npz", output=call.outputs[0] + np.float32(0.5))
    Path("resnet18.onnx").write_text("before")
    result = run(RESNET, "--inputs", "in.npz", "--expected", "out.npz")
    assert result.code == 3
    assert "gives other results than the reference" in result.err
    assert "output output differs in 10 of 10 elements: largest absolute error 0.5" in result.err
    assert Path("resnet18.onnx").read_text() == "before"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-i", "x"), 'not of the form "x=float32[batch,3]"'),
        (("-i", "x=float33[3]"), "there is no dtype 'float33'"),
        (("-i", "x=float32[3,a-b]"), "'a-b' is neither a size nor a name"),
        (("-i", "x=float32[3]", "-i", "x=float32[4]"), "x is given twice"),
        (("-i", "x.1=float32[3]"), "declared Tensor, but given a dict"),
        (("-i", "x=float32[3]", "-i", "x.0=float32[4]"), "x and x.0 are both given"),
        (("--const", "n"), 'not of the form "n=5"'),
        (("--dynamic", "x"), 'not of the form "x:0=batch"'),
        (("--dynamic", "x:a=batch"), 'not of the form "x:0=batch"'),
        (("--opset", "8"), "9<=x<=26"),
        (("-o", "."), "is a folder"),
        (("-o", GATE), "would replace the model"),
        (("--expected", "out.npz"), "--expected needs --inputs"),
        (("--inputs", GATE, "--expected", GATE), "is not an .npz file of arrays"),
        (("--rtol", "1e-3"), "--rtol and --atol need --verify or --expected"),
        (("--verify", "--atol", "-1"), "x>=0"),
        (("--symbolics", "no.py"), "there is no file no.py"),
        (("--method", "encode"), "no method 'encode'"),
        (("--const", "n=5"), "there is no parameter 'n'"),
        (("-i", "x=float32[3]", "--dynamic", "y:0=n"), "no input or output 'y'"),
        (("-i", "x=float32[3]", "--dynamic", "x:0=n,x:1=m"), 'not of the form "x:0=batch"'),
        (("-i", "x=float32[3]", "--dynamic", "x:0="), 'not of the form "x:0=batch"'),
        (("--dynamic", "x:0=n", "--dynamic", "x:0=m"), "x:0 is given twice"),
        (("-i", "n=int64", "--const", "n=5"), "n is given by --input and by --const"),
        (("-i", "x=float32[3]", "--input-names", ""), "input_names has an empty name"),
        (("--state", "h"), 'not of the form "h=float32[2,1,128]"'),
        (("--freeze-state", "--state", "h=float32[3]"), "freeze_state leaves no state"),
        (("--freeze-state", "--state-out", "s.npz"), "leaves no state for --state-out"),
        (("--state-out", GATE), "would replace the model"),
        (("-o", "o.onnx", "--state-out", "./o.onnx"), "o.onnx is to be written twice"),
        (("-o", "in.npz", "--inputs", "in.npz"), "would replace --inputs"),
        (("--state-out", "out.npz", "--expected", "out.npz"), "would replace --expected"),
        (("-o", "ops.py", "--symbolics", "ops.py"), "would replace --symbolics ops.py"),
    ],
)
def test_usage_errors(run, arguments, message) -> None:
    result = run(GATE, *arguments)
    assert result.code == 2, result.err
    first, *notes = result.err.splitlines()
    assert first.startswith("error: ")
    assert message in first
    assert all(note.startswith("  ") for note in notes)
    told = json.loads(run(GATE, *arguments, "--json").out)["error"]
    assert message in told["message"]
    assert told["exit_code"] == 2


def damaged(tmp_path: Path) -> list[Path]:
    whole = Path(RESNET).read_bytes()
    files = []
    for number in range(20):
        path = tmp_path / f"cut{number}.pt"
        path.write_bytes(whole[: len(whole) * number // 20])
        files.append(path)
    hostile = tmp_path / "hostile.pt"
    with zipfile.ZipFile(RESNET) as source, zipfile.ZipFile(hostile, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("/data.pkl"):
                content = b"cos\nsystem\n(S'touch executed'\ntR."
            target.writestr(name, content)
    missing, folder = tmp_path / "missing.pt", tmp_path / "folder.pt"
    folder.mkdir()
    return [*files, hostile, missing, folder]


def test_unusable_files(run, tmp_path) -> None:
    """One line, exit code 1, nothing executed, and an existing output stays as it was."""
    for path in damaged(tmp_path):
        output = tmp_path / f"{path.stem}.onnx"
        output.write_text("before")
        result = run(path)
        assert result.code == 1, path
        assert result.out == ""
        assert result.err.startswith("error: ")
        assert path.name in result.err
        assert len(result.err.splitlines()) == 1, result.err
        assert output.read_text() == "before"
        assert run("inspect", path).code == 1
    assert not (tmp_path / "executed").exists()


def test_an_output_that_can_not_be_written(run) -> None:
    """It is named itself, and not written in part."""
    for arguments in (("-o", "missing/out.onnx"), ("--state-out", "missing/out.onnx")):
        result = run(RESNET, *arguments)
        assert result.code == 1
        assert result.err == "error: missing/out.onnx: No such file or directory: missing\n"
        assert not Path("resnet18.onnx").exists()
    result = run(RESNET, "-o", "/proc/out.onnx")
    assert (result.code, result.err.startswith("error: /proc/out.onnx: ")) == (1, True)


def test_a_declared_string_is_what_was_written(run) -> None:
    """A literal of another type is none, where the program wants a string."""
    Path("m.pt").write_bytes(OF_WORDS)
    for text, wanted in (("5", 2), ("none", 3), ("fast", 4), ("'5'", 2)):
        assert run("m.pt", "-i", "x=float32[3]", "--const", f"word={text}").code == 0
        (multiplied,) = onnx.load("m.onnx").graph.initializer
        assert onnx.numpy_helper.to_array(multiplied) == wanted


def test_mistakes_of_the_program_are_told_apart(run, monkeypatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr("exporter.api.export", broken)
    result = run(RESNET)
    assert result.code == 4
    assert result.err.startswith(f"error: {RESNET}: internal error: KeyError: 'oops'")
    assert "please report it" in result.err


def test_symbolics_of_a_file(run) -> None:
    """They replace what is there, if they say so; the registry is the process's own."""
    program = f"""
from exporter.cli import main
main([{GATE!r}, "-i", "x=float32[4]", "--symbolics", "ops.py", "-q"])
"""
    Path("ops.py").write_text(
        "from symbolics.registry import symbolic\n"
        '@symbolic("aten::neg(Tensor self) -> Tensor", replace=True)\n'
        "def neg(g, self):\n    return g.Abs(self)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          env={"PYTHONPATH": str(Path(cli.__file__).parents[1])})  # fmt: skip
    assert done.returncode == 0, done.stderr
    model = onnx.load("decision_gate.onnx")
    branches = [
        node.op_type
        for outer in model.graph.node
        for attribute in outer.attribute
        for node in attribute.g.node
    ]
    assert "Abs" in branches
    assert "Neg" not in branches


def test_symbolics_that_fail(run) -> None:
    """A mistake of the user's, in a line of the user's."""
    Path("ops.py").write_text("import exporter\n\nraise ValueError('not today')\n")
    result = run(RESNET, "--symbolics", "ops.py")
    assert result.code == 2
    assert result.err.splitlines()[0] == "error: ops.py:3: ValueError: not today"
    Path("ops.py").write_text("def broken(:\n")
    assert "SyntaxError" in run(RESNET, "--symbolics", "ops.py").err


def test_a_file_that_is_named_like_a_command(run) -> None:
    Path("inspect").write_bytes(Path(RESNET).read_bytes())
    assert run("./inspect").code == 0
    assert Path("inspect.onnx").exists()
    assert run("inspect", "inspect", "--depth", 0).out.startswith("inspect: TorchScript archive")


def test_inspect_tells_what_is_there(run) -> None:
    lines = run("inspect", RESNET, "--depth", 1).out.splitlines()
    assert lines[0].startswith(f"{RESNET}: TorchScript archive, version ")
    assert "  forward(Tensor x) -> Tensor" in lines
    assert "    traced with float32[1,3,20,20]" in lines
    assert any(line.split()[:3] == ["conv1", "Conv2d", "294"] for line in lines)
    assert any(line.split()[:3] == ["aten::_convolution", "12", "opset"] for line in lines)
    assert not any("BasicBlock" in line for line in lines)


def test_inspect_json(run) -> None:
    found = json.loads(run("inspect", RESNET, "--json").out)
    root = found["modules"][0]
    assert root["total_parameters"] == sum(row["parameters"] for row in found["modules"])
    assert {row["name"] for row in found["operators"]} >= {"aten::relu_", "aten::linear"}
    assert all(row["first_opset"] == 9 for row in found["operators"])


def test_inspect_graph_and_code(run) -> None:
    graph = run("inspect", GATE, "--graph").out
    assert "graph(%self : __torch__.models.cells.DecisionGate," in graph
    assert "prim::If" in graph
    assert "def forward(self: __torch__" in run("inspect", GATE, "--code").out


def test_one_script_module_of_a_package(run, tmp_path) -> None:
    """By number, where there are several; their Python code is not asked for."""
    doubled = b"""
class M(Module):
  __parameters__ = []
  training : bool
  def forward(self: __torch__.M, x: Tensor) -> Tensor:
    return torch.mul(x, 2)
"""
    one = handmade.records(**{"code/__torch__.py": doubled})
    pickles = {name: one.pop(name) for name in ("data.pkl", "constants.pkl")}
    parts = {
        **{f".data/ts_code/{name}": data for name, data in one.items() if name.startswith("code/")},
        **{f".data/ts_code/{n}/{name}": data for n in (0, 1) for name, data in pickles.items()},
        ".data/version": b"6",
        ".data/extern_modules": b"",
    }
    package = tmp_path / "package.pt"
    package.write_bytes(handmade.zipped(parts))
    for arguments in ([], ["inspect"]):
        result = run(*arguments, package)
        assert result.code == 2
        assert "package of 2 ScriptModules" in result.err
        assert "1: M" in result.err
    assert run("inspect", package, "--script-module", 1).code == 0
    assert run(package, "--script-module", 1, "-i", "x=float32[2]", "-o", "m.onnx").code == 0
    assert onnx.load(tmp_path / "m.onnx").graph.input[0].name == "x"


def test_inspect_of_a_method_that_is_not_there(run) -> None:
    result = run("inspect", GATE, "--method", "encode")
    assert result.code == 2
    assert "no method 'encode'; its methods: forward" in result.err


def test_help_and_version(run) -> None:
    assert run("--version").out.startswith("ts2onnx 0.")
    for arguments in ((), ("--help",), ("-h",)):
        text = run(*arguments).out
        assert "Usage: ts2onnx [OPTIONS] MODEL" in text
        assert "Exit codes" in text
    assert "Usage: ts2onnx inspect" in run("inspect", "--help").out


def imported_by(arguments: list[str], folder: Path) -> tuple[int, set[str]]:
    """The exit code of a command in a process of its own, and all that it imported."""
    program = f"""
import sys
from exporter.cli import main
try:
    main({arguments!r})
except SystemExit as ended:
    code = ended.code or 0
print()
print(code, *sys.modules)
"""
    root = str(Path(cli.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          cwd=folder, env={"PYTHONPATH": root})  # fmt: skip
    assert done.returncode == 0, done.stderr
    code, *modules = done.stdout.splitlines()[-1].split()
    return int(code), set(modules)


def test_what_a_conversion_does_not_need_is_not_imported(tmp_path) -> None:
    """Start-up time is most of a small model's conversion."""
    code, modules = imported_by([RESNET, "-q"], tmp_path)
    assert code == 0
    assert not {"torch", "onnxruntime", "rich", "sympy"} & modules


@pytest.mark.parametrize("arguments", [["--help"], ["inspect", "--help"], ["--opset", "x"], []])
def test_help_and_usage_errors_come_at_once(arguments, tmp_path) -> None:
    _, modules = imported_by(arguments, tmp_path)
    assert "exporter.commands" in modules
    assert not {"numpy", "onnx", "onnx_ir", "exporter.archive"} & modules


def test_what_is_no_archive_is_told_before_the_converter_is_imported(tmp_path) -> None:
    (tmp_path / "model.pt").write_text("no archive")
    code, modules = imported_by(["model.pt"], tmp_path)
    assert code == 1
    assert not {"symbolics", "exporter.conversion.convert"} & modules

"""Live modules become programs as their archives do, and their weights stay where they are."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn

from exporter import Exported, export, live
from exporter.errors import InputError, UnsupportedError, UnsupportedOperatorError
from exporter.live import programs

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
]

X = torch.linspace(-1, 1, 12).reshape(3, 4)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


class Shared(nn.Module):
    """A module with state that is called twice and held by two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.BatchNorm1d(4), nn.ReLU())
        self.second = self.first

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


class Counting(nn.Module):
    """State of its own, a plain tensor that becomes a constant, and indices with gaps."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.table = torch.arange(4.0)

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        x = torch.add(x, self.table, alpha=2)
        return x[:, torch.tensor([0, 2])] * self.count + x[:, None, ::2].sum(1).clamp(max=3.0)


class Sizes(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        rows = x.shape[0] * 2
        return torch.cat([x, x]).view(rows, -1)[: rows - 1].expand(2, -1, -1).float()


class Complex(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("factor", torch.tensor([1 + 2j, 3, -1j, 0.5]).conj())

    def forward(self, x: Tensor) -> Tensor:
        return torch.view_as_real(x * self.factor)


MODULES: dict[str, Callable[[], tuple[nn.Module, tuple[Tensor, ...]]]] = {
    "linear": lambda: (nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), (X,)),
    "convolution": lambda: (
        nn.Sequential(nn.Conv1d(4, 4, 3, padding="same"), nn.BatchNorm1d(4), nn.GELU()),
        (X[None].mT,),
    ),
    "encoder": lambda: (
        nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 2),
        (X[None],),
    ),
    "attention": lambda: (nn.MultiheadAttention(4, 2), (X, X, X)),
    "lstm": lambda: (nn.LSTM(4, 3, 2, bidirectional=True), (X[None],)),
    "bag": lambda: (nn.EmbeddingBag(9, 3, mode="max"), (torch.tensor([[1, 2], [3, 1]]),)),
    "tied": lambda: (Tied(), (X,)),
    "shared": lambda: (Shared(), (X,)),
    "counting": lambda: (Counting(), (X,)),
    "sizes": lambda: (Sizes(), (X,)),
    "complex": lambda: (Complex(), (X,)),
}


def written(result: Exported) -> bytes:
    return ir.serde.serialize_model(result.model).SerializeToString(deterministic=True)


@pytest.mark.parametrize("training", ["eval", "train"])
@pytest.mark.parametrize("name", MODULES)
def test_a_module_converts_as_its_archive_does(name: str, training: str) -> None:
    """To the byte: names, order and values."""
    module, arguments = MODULES[name]()
    saved = live.to_archive(live.Call(module, arguments, training=training))
    names = [f"x{i}" for i in range(len(arguments))]
    axes = {"x0": {0: "rows"}}
    expected = export(
        saved.content, saved.args, input_names=names, dynamic_axes=axes, training=training
    )
    actual = export(module, arguments, input_names=names, dynamic_axes=axes, training=training)
    assert written(actual) == written(expected)
    # The trace of a live module has its tracer warnings as well.
    assert actual.report.warnings[len(saved.warnings) :] == expected.report.warnings


def test_a_plain_module_needs_no_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(programs, "to_archive")
    export(Tied(), (X,))
    with pytest.raises(NameError, match="to_archive"):
        export(nn.Sequential(torch.jit.script(Tied())), (X,))


@torch.jit.script
def doubled_while_small(x: Tensor) -> Tensor:
    while bool(x.abs().sum() < 100):
        x = x * 2
    return x


class CallsScript(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return doubled_while_small(x) + 1


class Views(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))
        self.register_buffer("bits", self.weight.detach().view(torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


def quantized() -> nn.Module:
    return torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 2)), {nn.Linear})


@pytest.mark.parametrize(
    "module",
    [
        pytest.param(lambda: nn.Sequential(torch.jit.script(Tied())), id="scripted part"),
        pytest.param(quantized, id="packed weights"),
    ],
)
def test_what_is_not_plain_converts_too(module: Callable[[], nn.Module]) -> None:
    """Through an archive, which the rule in `programs` decides by what the module holds."""
    made = module()
    with pytest.raises(programs.NotPlainError):
        programs._plain(live.Call(made, (X,)), made, bound=False)
    assert export(made, (X,), verify=True).verification is not None


@torch.jit.script
def first_above(x: Tensor, limit: float, seen: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Returns from within a loop; branches, lists and None."""
    kept: Tensor | None = None
    for i in range(x.size(0)):
        row = x[i]
        if float(row.sum()) > limit:
            kept = row
            seen.append(row * 2)
        if kept is not None:
            return kept, torch.tensor(i)
    if len(seen) > 5:
        raise RuntimeError("too many")
    return torch.zeros_like(x[0]), torch.tensor(len(seen))


class Finds(nn.Module):
    """Calls scripted functions from several modules."""

    def __init__(self) -> None:
        super().__init__()
        self.before = CallsScript()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        found, place = first_above(self.linear(self.before(x)), 0.5, [x])
        return found * x.size(0), x + place


@pytest.mark.parametrize("module", [CallsScript, Finds])
def test_scripted_functions_stay_in_a_trace(module: type[nn.Module]) -> None:
    """With their control flow, in the module that calls them; the module is traced once."""
    made = module()
    programs._plain(live.Call(made, (X,)), made, bound=False)
    exported = export(made, (X,), verify=True, dynamic_axes={"x": {0: "rows"}})
    assert "Loop" in exported.report.operators
    saved = live.to_archive(live.Call(made, (X,)))
    expected = export(saved.content, saved.args, dynamic_axes={"x": {0: "rows"}})
    session, reference = (ort.InferenceSession(written(e)) for e in (exported, expected))
    for x in (X, X * 40, X[:1] - 9):
        fed = {"x": x.numpy()}
        for found, wanted in zip(session.run(None, fed), reference.run(None, fed), strict=True):
            np.testing.assert_array_equal(found, wanted)


class Detections(nn.Module):
    """Results in containers that no trace returns as they are, as detectors give them."""

    def forward(self, x: Tensor):
        found = [{"boxes": x * 2, "count": x.size(0), "label": "a"}, {"boxes": x[:1]}]
        return found, {"rows": [x, x + 1], "pair": (x, {"last": x[-1]})}, [[x, None], (x - 1,)]


@pytest.mark.parametrize("size", [3, 1])
def test_results_in_containers_of_containers(size: int) -> None:
    exported = export(Detections(), (X[:size],), verify=True)
    assert [name for name, _, _ in exported.report.outputs] == [
        "output_0.0.boxes", "output_0.0.count", "output_0.1.boxes",
        "output_1.rows.0", "output_1.rows.1", "output_1.pair.0", "output_1.pair.1.last",
        "output_2.0.0", "output_2.1.0",
    ]  # fmt: skip
    assert exported.verification is not None


def test_sparse_buffers_are_named() -> None:
    module = nn.Sequential(nn.ReLU())
    module.register_buffer("mask", torch.eye(2).to_sparse())
    with pytest.raises(UnsupportedError, match="the sparse tensor mask"):
        export(module, (X,))
    assert torch.equal(module.mask.to_dense(), torch.eye(2))


def test_lazy_parameters_are_an_error() -> None:
    with pytest.raises(InputError, match="its first call makes") as found:
        export(nn.Sequential(nn.LazyLinear(2)), (X,))
    assert found.value.notes == ["call it once before"]


def initializer(result: Exported, name: str) -> np.ndarray:
    return result.model.graph.initializers[name].const_value.numpy()


def test_parameters_are_not_copied_into_a_file(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    result = export(module, (X,), tmp_path / "model.onnx", do_constant_folding=False)
    weight = module[0].weight.detach().numpy()
    assert np.shares_memory(initializer(result, "0.weight"), weight)


def test_a_changed_module_is_not_saved_for_what_it_was(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    result = export(module, (X,), tmp_path / "model.onnx", verify=True)
    result.save(tmp_path / "again.onnx")
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(1)
    message = r"^0.weight, 0.bias, 1.weight and 1 more: written to since the export"
    with pytest.raises(InputError, match=message):
        result.save(tmp_path / "again.onnx")


def test_a_model_that_stays_in_memory_has_values_of_its_own() -> None:
    module = nn.Linear(4, 4)
    result = export(module, (X,))
    before = initializer(result, "weight").copy()
    with torch.no_grad():
        module.weight.zero_()
    np.testing.assert_array_equal(initializer(result, "weight"), before)


def test_initial_state_is_that_of_the_export(tmp_path: Path) -> None:
    module = Counting()
    result = export(module, (X,), tmp_path / "model.onnx")
    module(X)
    assert result.initial_state["count"] == 0


LIBRARY = torch.library.Library("ts2onnx_live_programs", "DEF")
for name in ("first", "second"):
    LIBRARY.define(f"{name}(Tensor x) -> Tensor")
    LIBRARY.impl(name, lambda x: x * 2, "CompositeExplicitAutograd")
OPERATORS = torch.ops.ts2onnx_live_programs


@torch.jit.script
def unsupported_within(x: Tensor) -> Tensor:
    if bool(x.sum() > 0):
        x = torch.ops.ts2onnx_live_programs.first(x)
    return x


class CallsUnsupported(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return unsupported_within(x)


def test_errors_name_the_line_of_a_scripted_function() -> None:
    with pytest.raises(UnsupportedOperatorError) as caught:
        export(CallsUnsupported(), (X,))
    assert "x = torch.ops.ts2onnx_live_programs.first(x)" in str(caught.value)
    assert "test_programs.py:" in str(caught.value)


class Unknown(nn.Module):
    """Operators that no symbolic converts."""

    def forward(self, x: Tensor) -> Tensor:
        return OPERATORS.second(OPERATORS.first(x))


LINE = Unknown.forward.__code__.co_firstlineno + 1


class Deep(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Sequential(nn.ReLU(), Unknown()), nn.Hardshrink()])

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[1](torch.relu(self.layers[0](x)))


def test_errors_name_the_module_and_the_line() -> None:
    """Of each operator without a symbolic."""
    with pytest.raises(UnsupportedOperatorError, match=r"ts2onnx_live_programs::first") as found:
        export(Deep(), (X,))
    text = str(found.value)
    assert "in   layers.0.1  (Unknown.forward)" in text
    assert f"at   {__file__}:{LINE}" in text
    assert "also no symbolic for ts2onnx_live_programs::second" in text
    assert f"at   {__file__}:{LINE}   in layers.0.1" in text


def test_errors_in_the_module_itself() -> None:
    with pytest.raises(UnsupportedOperatorError) as found:
        export(Unknown(), (X,))
    assert "in   the model itself  (Unknown.forward)" in str(found.value)

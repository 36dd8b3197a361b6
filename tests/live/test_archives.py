"""Live objects become archives, and are afterwards what they were."""

import warnings
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass

import ml_dtypes
import numpy as np
import pytest
import torch
from torch import Tensor, nn

import exporter
from exporter import TensorSpec, export, live
from exporter.archive import open_archive
from exporter.errors import ConversionError, InputError
from exporter.live.arrays import tensor_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Blocks(nn.Module):
    """State of every kind that a forward can touch."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.drop = nn.Dropout(0.5)
        self.register_buffer("replaced", torch.zeros(2))
        self.calls = 0
        self.history: list[Tensor] = []
        self.cache = torch.zeros(3)

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.replaced = self.replaced + 1
        self.history.append(x)
        self.late = x
        self.cache += x.sum(0)
        return self.drop(self.norm(x)) + self.cache


def archived(model: object, args: object = None, *rest: object, **options: object) -> live.Saved:
    return live.to_archive(live.Call(model, args, *rest, **options))


def code_of(saved: live.Saved) -> str:
    return "\n".join(open_archive(bytes(saved.content)).code.values())


def ran(saved: live.Saved, *args: object) -> list[np.ndarray]:
    return live.ArchiveProgram(saved.content)(args, {})


@pytest.mark.parametrize("training", ["eval", "train", "preserve"])
def test_a_module_is_as_before(training: str) -> None:
    module = Blocks()
    module.drop.eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    replaced, cache, attributes = module.replaced, module.cache, set(module.__dict__)
    archived(module, (torch.randn(4, 3),), training=training)
    assert type(module) is Blocks
    assert module.training
    assert module.norm.training
    assert not module.drop.training
    assert module.replaced is replaced
    assert module.cache is cache
    assert torch.equal(cache, torch.zeros(3))
    assert module.calls == 0
    assert module.history == []
    assert set(module.__dict__) == attributes
    after = module.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_the_archive_holds_the_state_from_before_the_trace() -> None:
    saved = archived(Blocks(), (torch.randn(4, 3),), training="train")
    norm = open_archive(saved.content).root.attributes["norm"]
    assert norm.attributes["running_mean"].numpy().tolist() == [0, 0, 0]


def test_a_module_is_as_before_when_tracing_fails() -> None:
    class Failing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            self.late = x
            raise ValueError("no such luck")

    module = Failing()
    with pytest.raises(ConversionError, match=r"tracing Failing.forward failed: no such luck"):
        archived(module, (torch.ones(1),))
    assert type(module) is Failing
    assert module.training
    assert not hasattr(module, "late")


def test_modes_decide_what_is_traced() -> None:
    module = nn.Sequential(nn.Dropout(0.5))
    x = torch.ones(100)
    assert "False" in code_of(archived(module, (x,)))
    np.testing.assert_array_equal(ran(archived(module, (x,)), x.numpy())[0], x.numpy())
    for training in ("train", "preserve"):
        saved = archived(module, (x,), training=training)
        result = live.ArchiveProgram(saved.content, training="preserve")((x.numpy(),), {})
        assert (result[0] == 0).any()


def test_none_strings_and_keywords() -> None:
    """What is no tensor is part of the program; the rest is passed by position, under its name."""

    class Module(nn.Module):
        def forward(self, x, mode, mask=None, *, bias=None, scale=None):
            assert mode == "add"
            assert mask is None
            y = x + bias["b"][1]
            return y if scale is None else y * scale

    x, b = torch.ones(2), torch.full((2,), 3.0)
    saved = archived(
        Module(), (x, "add", None), {"bias": {"b": (x, b), "unused": None}, "scale": 2.0}
    )
    assert len(saved.args) == 3
    assert saved.kwargs == {}
    code = code_of(saved)
    assert "x: Tensor" in code
    assert "scale: Tensor" in code
    np.testing.assert_array_equal(ran(saved, *saved.args)[0], [8.0, 8.0])


def test_specs_are_traced_with_made_up_values_and_stay_specs() -> None:
    specs = (TensorSpec("float32", ("batch", 2)), {"a": TensorSpec("int64", (3,))})

    class Module(nn.Module):
        def forward(self, x, more):
            return x, more["a"]

    saved = archived(Module(), specs)
    assert saved.args == specs


def test_hooks_see_the_call_that_was_given() -> None:
    seen: list[object] = []
    module = nn.Linear(2, 2)
    module.register_forward_pre_hook(
        lambda m, args, kwargs: seen.append((args, sorted(kwargs))), with_kwargs=True
    )
    archived(module, (), {"input": torch.ones(1, 2)})
    assert seen == [((), ["input"])]
    assert len(module._forward_pre_hooks) == 1


Point = namedtuple("Point", "x y")


@dataclass
class Found:
    boxes: Tensor
    scores: Tensor
    label: str = "none"


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda x: {"a": x, "b": (x, x)}, 3),
        (lambda x: Point(x, x + 1), 2),
        (lambda x: Found(x, x), 2),
        (lambda x: (x, None, [x, (x,)]), 3),
        (lambda x: (x, 3), 2),
        (lambda x: [x, x], 2),
    ],
)
def test_results_of_all_kinds(make: object, count: int) -> None:
    class Module(nn.Module):
        def forward(self, x):
            return make(x)

    saved = archived(Module(), (torch.ones(2),))
    assert len(ran(saved, np.ones(2, np.float32))) == count


def test_fields_keep_their_names() -> None:
    class Module(nn.Module):
        def forward(self, x):
            return Found(x, x)

    code = code_of(archived(Module(), (torch.ones(2),)))
    assert '"boxes"' in code
    assert '"scores"' in code


def test_parts_keep_the_names_that_they_have_in_the_call() -> None:
    """A trace has no fields of named tuples, no dicts of several types and no keys but strings."""

    class Module(nn.Module):
        def forward(self, p, found, d):
            y = p.x + found.boxes * d["a b"][0] - d[1]
            return {"y": y, "more": [y, {"z": y + 1}], "none": None}, Point(y, 3), "text", (y, 2.5)

    one = torch.ones(2)
    call = (Point(one, one), Found(one, one * 2), {"a b": [one, one], 1: one * 3})
    report = export(Module(), call, verify=True).report
    assert [name for name, _, _ in report.inputs] == [
        "p.x", "p.y", "found.boxes", "found.scores", "d.a b.0", "d.a b.1", "d.1",
    ]  # fmt: skip
    assert [name for name, _, _ in report.outputs] == [
        "output_0.y", "output_0.more.0", "output_0.more.1.z", "output_1.x", "output_1.y",
        "output_3.0", "output_3.1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda x: {"a": x, "b": (x, x)}, ["a", "b.0", "b.1"]),
        (lambda x: Point(x, (x, x)), ["x_1", "y.0", "y.1"]),
        (lambda x: Found(x, x), ["boxes", "scores"]),
        (lambda x: {1: x, 2: x}, ["output_1", "output_2"]),
        (lambda x: (x, None, [x]), ["output_0", "output_2.0"]),
    ],
)
def test_results_keep_their_names(make: object, names: list[str]) -> None:
    class Module(nn.Module):
        def forward(self, x):
            return make(x)

    report = export(Module(), (torch.ones(2),)).report
    assert [name for name, _, _ in report.outputs] == names


def test_too_many_arguments() -> None:
    with pytest.raises(InputError, match="2 arguments for 1 parameters: input"):
        export(nn.Identity(), (torch.ones(1), torch.ones(1)))


def test_named_tuples_as_arguments() -> None:
    class Module(nn.Module):
        def forward(self, p):
            return p.x - p.y

    saved = archived(Module(), (Point(torch.ones(1), torch.zeros(1)),))
    assert ran(saved, *saved.args)[0] == 1


@dataclass
class Weighted:
    """A data class that asks its parts what they are when it is made."""

    x: Tensor
    weights: Tensor

    def __post_init__(self) -> None:
        assert self.x.shape[0] == self.weights.shape[0]


def test_arguments_that_are_made_of_tensors_alone() -> None:
    """Packed sequences, and objects whose making needs their parts."""

    class Packed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(3, 2, bidirectional=True)

        def forward(self, packed: nn.utils.rnn.PackedSequence, weighted: Weighted):
            out, _ = self.lstm(packed)
            padded, lengths = nn.utils.rnn.pad_packed_sequence(out)
            return padded, lengths, weighted.x * weighted.weights

    sequences = [torch.rand(4, 3), torch.rand(2, 3)]
    packed = nn.utils.rnn.pack_sequence(sequences)
    exported = export(Packed(), (packed, Weighted(torch.rand(2, 3), torch.ones(2, 1))), verify=True)
    assert exported.verification is not None
    assert [name for name, _, _ in exported.report.inputs] == [
        "packed.data", "packed.batch_sizes", "weighted.x", "weighted.weights",
    ]  # fmt: skip


def test_no_arguments() -> None:
    """A module that needs none is traced without; so is one that has a value for each."""

    class Table(nn.Module):
        def forward(self, scale: float = 2.0) -> Tensor:
            return torch.arange(4.0) * scale

    assert export(Table(), (), verify=True).verification is not None


def test_another_method() -> None:
    class Module(nn.Module):
        def forward(self, x):
            return x

        def encode(self, x, factor=None):
            return x * 2 if factor is None else x * factor

    saved = archived(Module(), (torch.ones(1),), {"factor": torch.ones(1) * 5}, "eval", "encode")
    assert live.ArchiveProgram(saved.content, "encode")(saved.args, {})[0] == 5
    with pytest.raises(InputError, match="no method 'decode'"):
        archived(Module(), (torch.ones(1),), method="decode")


def test_the_fused_encoder_layer_is_not_traced() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    code = code_of(archived(layer, (torch.randn(1, 3, 8),)))
    assert "_transformer_encoder_layer_fwd" not in code
    assert "_native_multi_head_attention" not in code
    assert torch.backends.mha.get_fastpath_enabled()


def test_tracer_warnings_are_kept_and_others_passed_on() -> None:
    class Module(nn.Module):
        def forward(self, x):
            warnings.warn("mine", UserWarning, stacklevel=1)
            return x if x.sum() > 0 else -x

    with pytest.warns(UserWarning, match="mine"):
        saved = archived(Module(), (torch.ones(2),))
    assert len(saved.warnings) == 1
    assert "test_archives.py" in saved.warnings[0]
    assert "boolean" in saved.warnings[0]


def test_scripted_objects_are_saved_as_they_are() -> None:
    module = torch.jit.script(nn.Sequential(nn.Linear(2, 2), nn.Dropout()))
    saved = archived(module, (torch.ones(1, 2),))
    assert module.training
    assert saved.args[0].shape == (1, 2)
    assert open_archive(saved.content).root.attributes["training"] is True

    @torch.jit.script
    def function(x, y: int = 2):
        return x + y

    assert ran(archived(function), np.ones(1, np.float32), 4)[0] == 5


def test_a_traced_submodule_is_saved() -> None:
    traced = torch.jit.trace(nn.Sequential(nn.Sequential(nn.Linear(2, 2))), torch.ones(1, 2))
    inner = getattr(traced, "0")
    assert "forward" in code_of(archived(inner))


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e5m2", "float8_e4m3fn"])
def test_types_that_numpy_lacks(dtype: str) -> None:
    tensor = torch.tensor([1.0, -2.0]).to(getattr(torch, dtype))
    array = live.to_arrays({"a": [tensor]})["a"][0]
    assert array.dtype == getattr(ml_dtypes, dtype)
    assert array.astype(np.float32).tolist() == [1.0, -2.0]
    assert torch.equal(tensor_of(array).float(), tensor.float())


def test_conjugates_and_grad() -> None:
    z = torch.tensor([1 + 2j]).conj()
    assert live.to_arrays(z)[0] == 1 - 2j
    assert live.to_arrays(torch.ones(1, requires_grad=True)) == 1


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.DataParallel(nn.Linear(1, 1)), r"DataParallel can't be exported\n.* model\.module"),
        (
            torch.compile(nn.Linear(1, 1), backend="eager"),
            r"OptimizedModule can't be exported\n.* model\._orig_mod",
        ),
        (nn.Linear(1, 1), "no arguments to trace it with"),
        (print, "builtin_function_or_method can't be exported"),
    ],
)
def test_what_can_not_be_saved(model: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        archived(model)


def test_sparse_arguments_are_refused() -> None:
    with pytest.raises(InputError, match="sparse tensor"):
        live.to_arrays(torch.eye(2).to_sparse())


def test_a_program_runs_and_tells_its_state() -> None:
    class Counter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("total", torch.zeros(1))
            self.count = 0

        def forward(self, x: Tensor) -> Tensor:
            self.total = self.total + x
            self.count += 1
            return self.total

    program = live.ArchiveProgram(archived(torch.jit.script(Counter())).content)
    for step in (1, 2):
        assert program((np.ones(1, np.float32),), {})[0] == step
    assert program.state("total")[0] == 2
    assert program.state("count")[0] == 2


def test_large_whole_floats_stay_floats() -> None:
    """TorchScript's code shows 1e10 as an int, and so does PyTorch read it back."""

    def filled(x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full([2], 1e10), x.new_full([2], -3e12)

    x = torch.zeros(1, dtype=torch.double)
    for model in (torch.jit.script(filled), torch.jit.trace(filled, x)):
        result = export(model, (x,))
        assert [dtype for _, dtype, _ in result.report.outputs] == ["float", "double"]


def test_a_large_number_that_is_float_and_int_is_refused() -> None:
    def filled(x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full([2], 1e10) + x, torch.full([2], 10000000000)

    with pytest.raises(ConversionError, match="as a float and as an int"):
        export(torch.jit.script(filled), (torch.zeros(1),))


class TwoKeywords(nn.Module):
    """Arguments that are given in another order than they are declared in."""

    def forward(self, x, *, y=None, **others):
        return x - y + others["z"]


def test_keywords_are_inputs_in_the_order_of_the_parameters() -> None:
    """Names are given in that order, and `torch.onnx.export` had it so."""
    x = torch.ones(2)
    result = exporter.export(
        TwoKeywords(), (), kwargs={"z": x, "y": x, "x": x}, input_names=["first"]
    )
    assert [name for name, *_ in result.report.inputs] == ["first", "y", "z"]


@pytest.mark.parametrize("mode", torch.onnx.TrainingMode.__members__.values())
def test_a_training_mode_of_pytorch(mode: object) -> None:
    """The members of its enum and our names mean the same."""
    module = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)).train()
    result = exporter.export(module, (torch.ones(2),), training=mode, opset_version=None)
    assert result.report.opset == 20
    assert ("Dropout" in result.report.operators) == (mode is not torch.onnx.TrainingMode.EVAL)


class Unscriptable(nn.Module):
    """What PyTorch's own tracing refuses, since it compiles the module's class."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = self.same = nn.Parameter(torch.ones(2))
        self.register_full_backward_hook(lambda *_: None)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight + self.same

    @torch.jit.export
    def described(self, *parts):
        return [*parts, lambda: self]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_what_a_trace_does_not_record_need_not_script() -> None:
    module, x = nn.Sequential(Unscriptable()), torch.tensor([1.0, 2.0])
    with pytest.raises((RuntimeError, ValueError, torch.jit.frontend.FrontendError)):
        torch.jit.trace(module, x)
    assert [v.name for v in export(module, (x,), verify=True).model.graph.inputs] == ["input"]


def test_a_trace_leaves_no_classes_behind() -> None:
    """PyTorch keeps the classes of what it compiles for as long as the process lives."""

    class Passing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    name = torch._jit_internal._qualified_name(Passing)
    archived(Passing(), (torch.ones(1),))
    assert torch.jit._state._python_cu.get_class(name) is None


@pytest.mark.parametrize("form", [lambda m: m, torch.jit.script], ids=["module", "script"])
def test_tensors_without_values(form: Callable[[nn.Module], nn.Module]) -> None:
    """Arguments on the meta device say a dtype and a shape, as specs do."""
    module = form(nn.Linear(4, 3))
    result = export(module, (torch.empty(2, 4, device="meta"),))
    assert result.report.inputs == export(module, (torch.ones(2, 4),)).report.inputs

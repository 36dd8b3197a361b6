"""The models build, compile and do compiled what they do in Python; needs PyTorch."""

import copy
import io

import numpy as np
import pytest
import torch

from models import MODELS, Mode, Model
from models.chatbot import chatbot, sentence
from models.comparison import difference, flat_arrays
from models.recording import Recording
from models.resnet import resnet18
from models.sample import loaded, normal, seeded

ROWS = [
    pytest.param(model, mode, id=f"{model.name}-{mode}")
    for model in MODELS.values()
    for mode in model.modes
]


def run(subject: object, recording: Recording, state: tuple[str, ...]) -> str | None:
    """Call a compiled model with what was recorded and compare, state included."""
    for number, call in enumerate(recording.calls):
        arguments = [torch.from_numpy(a.copy()) if a.ndim else a.item() for a in call.inputs]
        with torch.no_grad():
            results = flat_arrays(subject(*arguments))
        results += flat_arrays([getattr(subject, name) for name in state])
        problem = difference(call.outputs, results)
        if problem is not None:
            return f"call {number}: {problem}"
    return None


@pytest.mark.parametrize(("model", "mode"), ROWS)
def test_archive_does_what_python_does(model: Model, mode: Mode) -> None:
    """On all calls, so on other sizes and branches too: a failed export is the exporter's fault."""
    sample = model.sample(small=True)
    recording = sample.recording(model.state)
    archive = loaded(io.BytesIO(sample.archive_bytes(mode)))
    assert run(archive, recording, model.state) is None


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_builds_are_equal(model: Model) -> None:
    """Weights and inputs come from fixed seeds, whatever the global generator's state."""
    torch.manual_seed(1)
    first = model.sample(small=True).recording(model.state)
    torch.manual_seed(2)
    second = model.sample(small=True).recording(model.state)
    for one, other in zip(first.calls, second.calls, strict=True):
        assert difference(one.inputs, other.inputs, rtol=0, atol=0) is None
        assert difference(one.outputs, other.outputs, rtol=0, atol=0) is None


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_table_fits_the_model(model: Model) -> None:
    """As many names as arguments and results, and dynamic axes of those names alone."""
    sample = model.sample(small=True)
    call = sample.recording(model.state).calls[0]
    assert len(call.inputs) == len(model.input_names)
    assert len(call.outputs) == len(model.output_names) + len(model.state)
    assert set(model.dynamic_axes) <= {*model.input_names, *model.output_names}
    sizes = {tuple(a.shape for a in c.inputs) for c in sample.recording(model.state).calls}
    assert len(sizes) > 1 or not model.dynamic_axes, "dynamic axes are to be tried at two sizes"


def test_building_leaves_the_global_generator() -> None:
    """Whoever builds a model keeps the random numbers that would have come next."""
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    MODELS["my_cell"].sample()
    with seeded():
        torch.rand(5)
    assert torch.rand(1) == expected


def test_calls_take_both_branches() -> None:
    """The gates see what makes them go either way."""
    for name in ("decision_gate", "branch_shapes"):
        signs = {bool(x.sum() > 0) for (x,) in MODELS[name].sample().calls}
        assert signs == {True, False}
    sides = {bool(x.max() > y.max()) for x, y in MODELS["max_gate"].sample().calls}
    assert sides == {True, False}


def test_gated_cell_takes_both_branches() -> None:
    """The gate inside the cell as well: its input is what the linear layer returns."""
    sample = MODELS["gated_cell"].sample()
    with torch.no_grad():
        assert {bool(sample.subject.linear(x).sum() > 0) for x, _ in sample.calls} == {True, False}


def test_resnet18_has_the_names_of_published_weights() -> None:
    """122 entries, 11,689,512 parameters, and a few names and shapes of each kind."""
    state = resnet18().state_dict()
    assert len(state) == 122
    assert sum(p.numel() for p in resnet18().parameters()) == 11_689_512
    assert list(state)[:6] == [
        "conv1.weight",
        "bn1.weight",
        "bn1.bias",
        "bn1.running_mean",
        "bn1.running_var",
        "bn1.num_batches_tracked",
    ]
    assert state["layer2.0.downsample.0.weight"].shape == (128, 64, 1, 1)
    assert state["layer4.1.bn2.running_var"].shape == (512,)
    assert state["layer1.0.conv2.weight"].shape == (64, 64, 3, 3)
    assert state["fc.weight"].shape == (1000, 512)
    assert "layer1.0.downsample.0.weight" not in state


def test_part_is_the_submodule() -> None:
    """layer1 alone equals layer1 inside the network."""
    x = normal(1, 1, 2, 5, 5)
    sample = MODELS["resnet18_layer1"].sample(small=True)
    for mode in ("traced", "scripted"):
        part = loaded(io.BytesIO(sample.archive_bytes(mode)))
        with torch.no_grad():
            assert torch.allclose(part(x), sample.subject.layer1(x), atol=1e-6)


@pytest.mark.parametrize("method", ["dot", "general", "concat"])
def test_chatbot_answers_sentences_of_any_length(method: str) -> None:
    """The traced parts hold for lengths they have not seen, and the scores are probabilities."""
    sample = chatbot(method, hidden=6, vocabulary=17)
    search = sample.compiled("scripted")
    for length in (1, 5, 10):
        for steps in (0, 1, 10):
            with torch.no_grad():
                tokens, scores = search(*sentence(length, 17, length), steps)
            assert tokens.shape == scores.shape == (steps,)
            assert tokens.dtype == torch.int64
            assert bool(((scores > 0) & (scores <= 1)).all())


def test_chatbot_refuses_another_attention() -> None:
    with pytest.raises(ValueError, match="unknown attention method 'cosine'"):
        chatbot("cosine")


def test_sample_stays_as_it_is() -> None:
    """Compiling and recording a stateful model leave its state alone."""
    model = MODELS["running_mean"]
    sample = model.sample()
    before = copy.deepcopy(sample.subject.state_dict())
    sample.compiled("scripted")
    recording = sample.recording(model.state)
    after = sample.subject.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert recording.state[1] == np.int64(0)
    assert recording.calls[-1].outputs[-1] == np.int64(len(sample.calls))

"""What `inspect` gathers: parameters counted once, operators with the opsets that they need."""

import io

import pytest
import torch

from exporter.archive import open_archive
from exporter.commands.contents import module_rows, operators, signature
from exporter.torchscript.program import Program

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Tied(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(5, 3)
        self.head = torch.nn.Linear(3, 5, bias=False)
        self.head.weight = self.embedding.weight
        self.register_buffer("shift", torch.zeros(3))
        self.width = 3

    def forward(self, tokens: torch.Tensor, factor: float = 2.0) -> torch.Tensor:
        x = self.embedding(tokens) * factor + self.shift
        return torch.nn.functional.grid_sample(x[None, None], self.other(x)) if factor > 9 else x

    @torch.jit.export
    def other(me, x: torch.Tensor) -> torch.Tensor:
        return torch.fake_quantize_per_tensor_affine(x, 1.0, 0, 0, 255).addmm_(x, x)


@pytest.fixture(scope="module")
def opened():
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(Tied()), buffer)
    archive = open_archive(buffer.getvalue())
    return archive, Program(archive.code, archive.constants, archive.source_ranges)


def test_signatures(opened) -> None:
    archive, program = opened
    function = program.method(archive.root.type_name, "forward")
    assert signature(function, program) == "forward(Tensor tokens, float factor=2.0) -> Tensor"
    function = program.method(archive.root.type_name, "other")
    assert signature(function, program) == "other(Tensor x) -> Tensor"


def test_tied_weights_count_once(opened) -> None:
    root, embedding, head = module_rows(*opened)
    assert root.total_parameters == 15
    assert embedding.total_parameters == head.total_parameters == 15
    assert root.buffers == 3
    assert root.others == ["width"]
    assert (embedding.path, embedding.class_name.rpartition(".")[2]) == ("embedding", "Embedding")


def test_operators_and_their_places(opened) -> None:
    rows = {row.name: row for row in operators(*opened)}
    assert rows["aten::mul"].first_opset == 9
    assert rows["aten::addmm_"].first_opset == 9
    assert "test_contents.py" in rows["aten::mul"].places[0]
    assert "prim::If" not in rows


def test_one_method_alone(opened) -> None:
    rows = {row.name for row in operators(*opened, method="other")}
    assert "aten::addmm_" in rows
    assert "aten::gt" not in rows

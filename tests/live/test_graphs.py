"""Graphs of traces are read as the code that PyTorch writes for them."""

import pytest
import torch
from torch import Tensor, nn

from exporter import export, live
from exporter.live.graphs import GraphReader
from exporter.live.objects import NotPlainError
from exporter.torchscript.graph import Graph, Node

X = torch.ones(2, 3)


def graph_of(module: nn.Module, *arguments: Tensor) -> Graph:
    loaded = live.to_program(live.Call(module, arguments)).loaded
    return loaded.program.method(loaded.root.type_name, "forward").graph


def nodes(module: nn.Module, kind: str, *arguments: Tensor) -> list[Node]:
    return [node for node in graph_of(module, *arguments).walk() if node.kind == kind]


def constants(node: Node) -> list[object]:
    return [
        value.node.attributes["value"]
        for value in node.inputs
        if value.node is not None and value.node.kind == "prim::Constant"
    ]


class Adds(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.add(torch.add(x, x), x, alpha=2)


def test_defaults_are_left_out_and_keywords_named() -> None:
    first, second = nodes(Adds(), "aten::add", X)
    assert (len(first.inputs), first.keywords) == (2, ())
    assert (len(second.inputs), second.keywords) == (3, ("alpha",))
    assert constants(second) == [2]


class Numbers(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.full((2,), 1e10) + x.mul(1).mul(1.0).mul(True).mul(-0.0).mul(0.0).sum()


def test_numbers_keep_their_types() -> None:
    """In code 1e10 is an int, of which PyTorch makes another dtype."""
    (full,) = nodes(Numbers(), "aten::full", X)
    assert type(constants(full)[0]) is float
    found = [constants(node)[0] for node in nodes(Numbers(), "aten::mul", X)]
    assert [repr(value) for value in found] == ["1", "1.0", "True", "-0.0", "0.0"]
    assert export(Numbers(), (X,)).report.outputs[0][1] == "float"


class Indexes(nn.Module):
    def forward(self, x: Tensor, index: Tensor) -> Tensor:
        return x[:, index]


def test_a_list_with_gaps_has_its_type() -> None:
    (indices,) = nodes(Indexes(), "prim::ListConstruct", X, torch.tensor([0, 2]))
    assert str(indices.outputs[0].type) == "Tensor?[]"


class Inner(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x)


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) + self.inner(-x)


def test_what_ran_in_a_module_lies_together() -> None:
    regions = nodes(Outer(), "prim::TracedModuleForward", X)
    assert [region.attributes["path"] for region in regions] == ["inner", "inner"]
    assert all(str(r.attributes["function"]).endswith(".Inner.forward") for r in regions)
    (relu,) = regions[0].blocks[0].nodes
    source = relu.source
    assert source is not None
    assert source.filename == __file__
    assert source.line == Inner.forward.__code__.co_firstlineno + 1


def test_only_attributes_in_use_are_taken() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    module.register_buffer("unused", torch.ones(1))
    names = [node.attributes["name"] for node in nodes(module, "prim::GetAttr", X)]
    assert sorted(map(str, names)) == ["0", "1", "bias", "bias", "weight", "weight"]


def test_other_nodes_are_no_traces() -> None:
    @torch.jit.script
    def printed(x: Tensor) -> Tensor:
        if bool(x.sum() > 0):
            print(x)
        return x

    with pytest.raises(NotPlainError, match=r"prim::Print"):
        GraphReader(printed.graph, {}).read("f", "__torch__.M", [], ["x"])


class Scaled(nn.Module):
    def forward(self, x: Tensor, factor: Tensor) -> Tensor:
        return torch.add(x, x, alpha=factor) + torch.full((2, 3), factor)


def test_tensors_as_numbers() -> None:
    arguments = X, torch.tensor(2.0)
    kinds = {str(node.outputs[0].type) for node in nodes(Scaled(), "prim::annotate", *arguments)}
    assert kinds == {"Scalar"}
    assert export(Scaled(), arguments, verify=True).verification is not None

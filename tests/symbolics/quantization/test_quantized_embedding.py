"""Tables quantized by rows."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.ao import quantization

from tests.symbolics.harness import refuses
from tests.symbolics.quantizing import agree, quietly

ops = torch.ops.quantized


class Modules(nn.Module):
    """What PyTorch's quantization makes of embeddings."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Embedding(10, 8)
        self.bags = nn.EmbeddingBag(10, 8, mode="sum", include_last_offset=True)

    def forward(
        self, x: torch.Tensor, offsets: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Rows, rows of a matrix of indices, sums."""
        return self.rows(x), self.rows(x.view(3, -1)), self.bags(x, offsets)


@pytest.mark.parametrize("mode", ["trace", "script"])
def test_modules(mode: str) -> None:
    """8 bits; an empty bag is 0."""
    torch.manual_seed(0)
    with quietly():
        model = Modules()
        model.qconfig = quantization.float_qparams_weight_only_qconfig
        model = quantization.convert(quantization.prepare(model))
        x, offsets = torch.tensor([1, 9, 9, 0, 4, 3]), torch.tensor([0, 2, 2, 6])
        calls = [(torch.tensor([3, 2, 1]), torch.tensor([0, 3]))]
        agree(model, x, offsets, mode=mode, calls=calls)


class Table(nn.Module):
    """A table of 4 or 8 bits, looked up by the operators themselves."""

    def __init__(self, bits: int, width: int) -> None:
        super().__init__()
        dtype = torch.quint4x2 if bits == 4 else torch.quint8
        scales, points = torch.rand(10) / bits + 0.1, torch.rand(10) * (2**bits - 1)
        table = torch.quantize_per_channel(torch.randn(10, width), scales, points, 0, dtype)
        self.table = ops.embedding_bag_prepack(table)
        name = "4bit" if bits == 4 else "byte"
        self.rows = getattr(ops, f"embedding_{name}")
        self.bags = getattr(ops, f"embedding_bag_{name}")

    def forward(
        self, x: torch.Tensor, offsets: torch.Tensor, weights: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Rows, weighted sums, and sums of the rows of a matrix."""
        return (
            self.rows(self.table, x),
            self.bags(self.table, x, offsets, per_sample_weights=weights),
            self.bags(self.table, x.view(3, -1)),
        )


@pytest.mark.parametrize("width", [8, 6])
@pytest.mark.parametrize("bits", [4, 8])
def test_tables(bits: int, width: int) -> None:
    """Of 4 bits, scales and zero points are in float16."""
    torch.manual_seed(1)
    inputs = torch.tensor([1, 9, 9, 0, 4, 3]), torch.tensor([0, 2, 2]), torch.rand(6)
    with quietly():
        model = torch.jit.trace(Table(bits, width), inputs, check_trace=False)
    calls = [(torch.tensor([3, 2, 1]), torch.tensor([0]), torch.rand(3))]
    agree(model, *inputs, calls=calls, atol=1e-5)


class Unpacked(nn.Module):
    """The table itself."""

    def __init__(self) -> None:
        super().__init__()
        scales, points = torch.rand(3) + 0.1, torch.rand(3)
        table = torch.quantize_per_channel(torch.randn(3, 4), scales, points, 0, torch.quint8)
        self.table = ops.embedding_bag_prepack(table)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Dequantized."""
        return ops.embedding_bag_unpack(self.table).dequantize() + x


def test_unpacking() -> None:
    """Float zero points."""
    with quietly():
        agree(torch.jit.script(Unpacked()), torch.zeros(1), opsets=(20,))


class Pruned(nn.Module):
    """Rows that are not there."""

    def __init__(self) -> None:
        super().__init__()
        self.table = Table(8, 4).table

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Not converted."""
        return ops.embedding_byte(self.table, x, True)


def test_pruned_tables_are_refused() -> None:
    """An error that says so."""
    with quietly():
        refuses(torch.jit.script(Pruned()), torch.tensor([1]), match="pruned", mode="script")

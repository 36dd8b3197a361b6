"""Attention, positions, caches, normalisation by hand, text.

TorchScript reads the annotations of these modules, so they are not postponed.
"""

import math
from typing import Final, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.conversion.harness import check_state, operators
from tests.programs.harness import check_program


class RmsNorm(nn.Module):
    """The root mean square, in float32."""

    def __init__(self, size: int):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(size))
        self.eps = 1e-6

    def forward(self, x: Tensor) -> Tensor:
        variance = x.to(torch.float32).pow(2).mean(-1, keepdim=True)
        return self.weight * (x * torch.rsqrt(variance + self.eps)).type_as(x)


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions in real numbers."""
    a, b = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]
    return x * cos + torch.cat((-b, a), dim=-1) * sin


class CachedAttention(nn.Module):
    """One step with the cache as inputs and outputs: rotary positions, grouped heads."""

    heads: Final[int]

    def __init__(self, size: int = 8, heads: int = 4, groups: int = 2):
        super().__init__()
        self.heads, self.groups, self.width = heads, groups, size // heads
        self.norm = RmsNorm(size)
        self.q = nn.Linear(size, size, bias=False)
        self.kv = nn.Linear(size, 2 * groups * self.width, bias=False)
        self.out = nn.Linear(size, size, bias=False)
        frequencies = 1.0 / (10000 ** (torch.arange(0, self.width, 2).float() / self.width))
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        batch, length, _ = x.shape
        past = keys.size(2)
        x = self.norm(x)
        q = self.q(x).view(batch, length, self.heads, self.width).transpose(1, 2)
        kv = self.kv(x).view(batch, length, 2, self.groups, self.width).permute(2, 0, 3, 1, 4)
        k, v = kv[0], kv[1]
        angles = torch.outer(torch.arange(past, past + length).float(), self.frequencies)
        angles = torch.cat((angles, angles), dim=-1)
        cos, sin = angles.cos(), angles.sin()
        q, k = rotated(q, cos, sin), rotated(k, cos, sin)
        keys = torch.cat((keys, k), dim=2)
        values = torch.cat((values, v), dim=2)
        times = self.heads // self.groups
        all_k = keys.repeat_interleave(times, dim=1)
        all_v = values.repeat_interleave(times, dim=1)
        mask = torch.ones(length, past + length, dtype=torch.bool).tril(past)
        y = F.scaled_dot_product_attention(q, all_k, all_v, attn_mask=mask)
        return self.out(y.transpose(1, 2).reshape(batch, length, -1)), keys, values


def test_attention_with_a_cache() -> None:
    torch.manual_seed(0)
    calls = [
        (torch.randn(b, n, 8), torch.randn(b, 2, p, 2), torch.randn(b, 2, p, 2))
        for b, n, p in [(2, 3, 4), (1, 1, 9), (3, 5, 0)]
    ]
    cache = {0: "batch", 2: "past"}
    axes = [{0: "batch", 1: "length"}, cache, cache]
    check_program(CachedAttention(), *calls, axes=axes, unwanted={"If", "Loop"}, modes=["scripted"])
    check_program(CachedAttention(), *calls, axes=axes, unwanted={"If", "Loop"}, modes=["traced"])


class StatefulAttention(nn.Module):
    """The cache as state, of a fixed length, written at a position that moves."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(4, 12)
        self.register_buffer("keys", torch.zeros(6, 4))
        self.register_buffer("values", torch.zeros(6, 4))
        self.position = 0

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        self.keys[self.position] = k
        self.values[self.position] = v
        self.position += 1
        scores = self.keys[: self.position] @ q / math.sqrt(4.0)
        return scores.softmax(0) @ self.values[: self.position]


def test_attention_with_state() -> None:
    torch.manual_seed(1)
    calls = [(torch.randn(4),) for _ in range(5)]
    for opset in (13, 20):
        result = check_state(StatefulAttention().eval(), *calls, opset_version=opset)
        assert not operators(result) & {"Loop", "If"}


class SlidingWindow(nn.Module):
    """Attention within a window with ALiBi biases."""

    def __init__(self, heads: int = 2, window: int = 3):
        super().__init__()
        self.heads, self.window = heads, window
        slopes = torch.tensor([2.0 ** -(8.0 * (i + 1) / heads) for i in range(heads)])
        self.register_buffer("slopes", slopes)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        n = x.size(1)
        positions = torch.arange(n, device=x.device)
        distance = positions[None, :] - positions[:, None]
        outside = (distance > 0) | (distance <= -self.window)
        padding = positions[None, :] >= lengths[:, None]
        bias = self.slopes.view(-1, 1, 1) * distance
        q = x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        scores = q @ q.mT / q.size(-1) ** 0.5 + bias
        scores = scores.masked_fill(outside, torch.finfo(scores.dtype).min)
        scores = scores.masked_fill(padding[:, None, None, :], torch.finfo(scores.dtype).min)
        return (F.softmax(scores, dim=-1) @ q).transpose(1, 2).flatten(2)


def test_sliding_window_attention() -> None:
    torch.manual_seed(2)
    calls = [
        (torch.randn(b, n, 8), torch.randint(1, n + 1, (b,))) for b, n in [(2, 6), (1, 1), (3, 9)]
    ]
    axes = [{0: "batch", 1: "length"}, {0: "batch"}]
    # TorchScript's compiler knows no torch.finfo.
    unwanted = {"If", "Loop"}
    check_program(SlidingWindow(), *calls, axes=axes, modes=["traced"], unwanted=unwanted)


class TextEncoder(nn.Module):
    """Token ids to a pooled vector: masks from padding, sinusoidal positions by cumsum."""

    def __init__(self, words: int = 20, size: int = 8, pad: int = 1):
        super().__init__()
        self.pad = pad
        self.embedding = nn.Embedding(words, size, padding_idx=pad)
        half = size // 2
        scale = torch.exp(torch.arange(half).float() * -(math.log(10000) / (half - 1)))
        self.register_buffer("scale", scale)
        layer = nn.TransformerEncoderLayer(size, 2, 16, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, ids: Tensor) -> dict[str, Tensor]:
        mask = ids.ne(self.pad)
        positions = torch.cumsum(mask.int(), dim=1).type_as(mask) * mask
        angles = (torch.cumsum(mask.long(), 1) * mask + self.pad).unsqueeze(-1) * self.scale
        x = self.embedding(ids) + torch.cat([angles.sin(), angles.cos()], dim=-1)
        causal = torch.triu(torch.full((ids.size(1), ids.size(1)), float("-inf")), diagonal=1)
        x = self.encoder(x, mask=causal, src_key_padding_mask=torch.where(mask, 0.0, float("-inf")))
        weights = mask.unsqueeze(-1).to(x.dtype)
        pooled = (x * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
        return {"pooled": F.normalize(pooled, p=2.0, dim=1), "positions": positions}


def test_text_encoder() -> None:
    torch.manual_seed(3)
    calls = []
    for batch, length in [(2, 5), (1, 3), (3, 8)]:
        ids = torch.randint(2, 20, (batch, length))
        ids[0, length - 1 :] = 1
        calls.append((ids,))
    axes = [{0: "batch", 1: "length"}]
    check_program(TextEncoder(), *calls, axes=axes, modes=["traced"], unwanted={"If", "Loop"})
    check_program(TextEncoder(), *calls, axes=axes, modes=["scripted"])


class GraphConv(nn.Module):
    """Message passing: gathers along edges, adds up at nodes, normalises by degree."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.attention = nn.Linear(8, 1)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        source, target = edges[0], edges[1]
        count = x.size(0)
        ones = torch.ones(edges.size(1))
        degree = torch.zeros(count).scatter_add_(0, target, ones)
        norm = degree.clamp(min=1).pow(-0.5)
        h = self.linear(x)
        scores = F.leaky_relu(
            self.attention(torch.cat([h[source], h[target]], -1)).squeeze(-1), 0.2
        )
        highest = torch.full((count,), float("-inf"))
        highest = highest.scatter_reduce(0, target, scores, reduce="amax", include_self=True)
        weights = torch.exp(scores - highest[target])
        total = torch.zeros(count).index_add_(0, target, weights)
        messages = h[source] * (norm[source] * weights / total[target]).unsqueeze(-1)
        return torch.zeros_like(h).index_add(0, target, messages)


def test_graph_convolution() -> None:
    torch.manual_seed(4)
    calls = [(torch.randn(n, 4), torch.randint(n, (2, e))) for n, e in [(5, 8), (3, 1), (9, 20)]]
    axes = [{0: "nodes"}, {1: "edges"}]
    check_program(GraphConv(), *calls, axes=axes, opsets=[13, 16])
    check_program(GraphConv(), *calls, axes=axes, opsets=[18, 20], unwanted={"If", "Loop"})


class Tabular(nn.Module):
    """Dict inputs: an embedding per category, a bag of tags, numbers."""

    def __init__(self):
        super().__init__()
        self.embeddings = nn.ModuleDict({"city": nn.Embedding(5, 3), "brand": nn.Embedding(7, 2)})
        self.bag = nn.EmbeddingBag(10, 4, mode="mean")
        self.norm = nn.BatchNorm1d(2)
        self.mlp = nn.Sequential(nn.Linear(11, 6), nn.GELU(), nn.Dropout(0.2), nn.Linear(6, 1))

    def forward(self, features: dict[str, Tensor], tags: Tensor, offsets: Tensor) -> Tensor:
        parts = []
        for name, embedding in self.embeddings.items():
            parts.append(embedding(features[name]))
        parts.append(self.bag(tags, offsets))
        parts.append(self.norm(features["numbers"]))
        return self.mlp(torch.cat(parts, 1)).squeeze(1)


def test_tabular_model_with_a_dict() -> None:
    torch.manual_seed(5)

    def call(n: int, tags: int) -> tuple:
        features = {
            "city": torch.randint(5, (n,)),
            "brand": torch.randint(7, (n,)),
            "numbers": torch.randn(n, 2),
        }
        offsets = torch.sort(torch.randint(tags + 1, (n,)))[0]
        offsets[0] = 0
        return features, torch.randint(10, (tags,)), offsets

    axes = [*[{0: "n"}] * 3, {0: "tags"}, {0: "n"}]
    calls = [call(3, 5), call(2, 0), call(6, 9)]
    check_program(Tabular(), *calls, axes=axes, modes=["scripted"])


class Output(NamedTuple):
    """What a model with a loss returns."""

    logits: Tensor
    loss: Tensor | None
    hidden: list[Tensor]


class Variational(nn.Module):
    """An encoder with a KL term, a loss where there are labels, optional outputs."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(6, 4)
        self.decoder = nn.utils.parametrizations.weight_norm(nn.Linear(2, 6))
        self.head = nn.utils.parametrizations.spectral_norm(nn.Linear(2, 3))

    def forward(self, x: Tensor, labels: Tensor) -> Output:
        mean, log_variance = self.encoder(x).chunk(2, -1)
        z = mean
        if self.training:
            z = z + torch.randn_like(z) * torch.exp(0.5 * log_variance)
        logits = self.head(z)
        kl = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp(), 1).mean()
        loss = F.cross_entropy(logits, labels, ignore_index=-1, label_smoothing=0.1)
        loss = loss + kl + F.mse_loss(self.decoder(z), x) + F.huber_loss(z, mean * 0.5)
        return Output(logits, loss, [mean, z])


def test_losses_and_parametrised_modules() -> None:
    torch.manual_seed(6)
    calls = [(torch.randn(b, 6), torch.randint(-1, 3, (b,))) for b in (4, 2, 7)]
    axes = [{0: "batch"}, {0: "batch"}]
    check_program(Variational(), *calls, axes=axes, modes=["traced"], unwanted={"If", "Loop"})


def test_observers_leave_nothing() -> None:
    class Observed(nn.Module):
        """Observers of quantisation, switched off."""

        def __init__(self):
            super().__init__()
            self.observer = torch.ao.quantization.FakeQuantize()
            self.observer.disable_fake_quant()
            self.observer.disable_observer()
            self.linear = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(self.observer(x))

    calls = [(torch.randn(b, 3),) for b in (2, 1)]
    unwanted = {"If", "QuantizeLinear"}
    check_program(Observed(), *calls, axes=[{0: "batch"}], modes=["traced"], unwanted=unwanted)


@pytest.mark.parametrize("labelled", [True, False])
def test_optional_loss(labelled: bool) -> None:
    class Classifier(nn.Module):
        """A loss where labels are given."""

        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 3)

        def forward(self, x: Tensor, labels: Tensor | None = None) -> Output:
            hidden = [x]
            logits = self.linear(x)
            loss: Tensor | None = None
            if labels is not None:
                loss = F.nll_loss(F.log_softmax(logits, -1), labels)
            hidden.append(logits)
            return Output(logits, loss, hidden)

    def call(n: int) -> tuple:
        return (torch.randn(n, 4), torch.randint(3, (n,))) if labelled else (torch.randn(n, 4),)

    axes = [{0: "batch"}, {0: "batch"}][: 1 + labelled]
    check_program(Classifier(), call(3), call(1), axes=axes, modes=["scripted"], unwanted={"If"})

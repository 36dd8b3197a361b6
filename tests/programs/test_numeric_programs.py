"""Recurrences, samplers, trackers, heatmaps: numbers in loops and tables.

TorchScript reads the annotations of these modules, so they are not postponed.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tests.conversion.harness import check_state
from tests.programs.harness import check_program

KNOWN = {"If", "Loop"}


def selective_scan(x: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """The state space recurrence of Mamba, step by step."""
    batch, length, width = x.shape
    decay = torch.exp(delta.unsqueeze(-1) * a)
    fed = delta.unsqueeze(-1) * b.unsqueeze(2) * x.unsqueeze(-1)
    state = torch.zeros(batch, width, a.shape[1])
    ys = []
    for i in range(length):
        state = decay[:, i] * state + fed[:, i]
        ys.append(torch.einsum("bdn,bn->bd", state, c[:, i]))
    return torch.stack(ys, dim=1)


def test_selective_scan() -> None:
    torch.manual_seed(0)
    calls = [
        (
            torch.randn(b, n, 3),
            torch.rand(b, n, 3),
            -torch.rand(3, 4),
            torch.randn(b, n, 4),
            torch.randn(b, n, 4),
        )
        for b, n in [(2, 5), (1, 1), (3, 70)]
    ]
    along = {0: "batch", 1: "length"}
    axes = [along, along, {}, along, along]
    check_program(selective_scan, *calls, axes=axes, modes=["scripted"], unwanted={"If"})


def top_p(logits: Tensor, p: float, k: int, temperature: float) -> Tensor:
    """Filters logits by nucleus and count, as samplers do before they draw."""
    logits = logits / temperature
    if k > 0:
        least = torch.topk(logits, min(k, logits.size(-1)))[0][..., -1, None]
        logits = logits.masked_fill(logits < least, float("-inf"))
    if p < 1.0:
        ordered, index = torch.sort(logits, descending=True)
        cumulative = torch.cumsum(F.softmax(ordered, dim=-1), dim=-1)
        remove = cumulative > p
        remove[..., 1:] = remove[..., :-1].clone()
        remove[..., 0] = False
        remove = remove.scatter(1, index, remove)
        logits = logits.masked_fill(remove, float("-inf"))
    return F.softmax(logits, dim=-1)


def test_top_p() -> None:
    torch.manual_seed(1)
    calls = [
        (torch.randn(b, 9) * 3, p, k, t)
        for b, p, k, t in [(2, 0.8, 4, 1.0), (1, 1.0, 0, 0.5), (3, 0.3, 20, 2.0), (1, 0.5, 0, 1.0)]
    ]
    check_program(top_p, *calls, axes=[{0: "batch"}], modes=["scripted"])


def buckets(length: int, memory: int, heads: Tensor) -> Tensor:
    """The relative position buckets of T5."""
    relative = torch.arange(memory)[None, :] - torch.arange(length)[:, None]
    half = 8
    found = (relative > 0).to(torch.long) * half
    relative = torch.abs(relative)
    exact = half // 2
    scaled = torch.log(relative.float() / exact) / math.log(32 / exact) * (half - exact)
    large = exact + scaled.to(torch.long)
    large = torch.min(large, torch.full_like(large, half - 1))
    found += torch.where(relative < exact, relative, large)
    return F.embedding(found, heads).permute(2, 0, 1).unsqueeze(0)


def test_relative_position_buckets() -> None:
    heads = torch.randn(16, 2)
    calls = [(n, m, heads) for n, m in [(4, 6), (1, 40), (9, 2)]]
    check_program(buckets, *calls, modes=["scripted"], unwanted=KNOWN)


class Heatmap(nn.Module):
    """Peaks of a heatmap by max pooling, refined by soft argmax."""

    def forward(self, heat: Tensor, offsets: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
        batch, _classes, height, width = heat.size()
        heat = torch.sigmoid(heat)
        peaks = heat * (F.max_pool2d(heat, 3, stride=1, padding=1) == heat).float()
        scores, index = torch.topk(peaks.view(batch, -1), count)
        labels = torch.div(index, height * width, rounding_mode="floor")
        index = index % (height * width)
        ys = torch.div(index, width, rounding_mode="floor").float()
        xs = (index % width).float()
        moved = offsets.permute(0, 2, 3, 1).reshape(batch, -1, 2)
        moved = moved.gather(1, index.unsqueeze(2).expand(-1, -1, 2))
        return torch.stack([xs, ys], 2) + moved, scores, labels


def test_heatmap_peaks() -> None:
    torch.manual_seed(2)
    calls = [
        (torch.randn(b, 2, h, w), torch.randn(b, 2, h, w), k)
        for b, h, w, k in [(2, 5, 6, 3), (1, 4, 4, 1), (1, 9, 8, 3)]
    ]
    along = {0: "batch", 2: "height", 3: "width"}
    check_program(Heatmap(), *calls, axes=[along, along], modes=["scripted"], unwanted=KNOWN)


class Kalman(nn.Module):
    """A filter with its mean and covariance as state, absent before the first measurement."""

    def __init__(self):
        super().__init__()
        self.register_buffer("motion", torch.tensor([[1.0, 1.0], [0.0, 1.0]]))
        self.register_buffer("mean", torch.zeros(2))
        self.register_buffer("covariance", torch.eye(2))
        self.started = False

    def forward(self, measured: Tensor) -> Tensor:
        if not self.started:
            self.mean = torch.cat([measured, torch.zeros(1)])
            self.covariance = torch.eye(2)
            self.started = True
            return self.mean
        mean = self.motion @ self.mean
        covariance = self.motion @ self.covariance @ self.motion.t() + 0.1 * torch.eye(2)
        gain = covariance[:, 0] / (covariance[0, 0] + 0.5)
        self.mean = mean + gain * (measured - mean[:1])
        self.covariance = covariance - torch.outer(gain, covariance[0])
        return self.mean


def test_kalman_filter() -> None:
    calls = [(torch.tensor([float(v)]),) for v in (1.0, 2.5, 2.9, 4.2)]
    for opset in (13, 20):
        check_state(Kalman(), *calls, opset_version=opset)


class Tagger(nn.Module):
    """A packed LSTM with lengths, its last states joined, and character features by rows."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(12, 4, padding_idx=0)
        self.lstm = nn.LSTM(4, 3, num_layers=2, bidirectional=True, batch_first=True)
        self.out = nn.Linear(6, 5)

    def forward(self, ids: Tensor, lengths: Tensor, hidden: Tensor | None = None) -> Tensor:
        packed = pack_padded_sequence(
            self.embedding(ids), lengths, batch_first=True, enforce_sorted=False
        )
        packed_out, (last, _) = self.lstm(packed)
        out, _ = pad_packed_sequence(packed_out, batch_first=True, total_length=ids.size(1))
        both = last.view(2, 2, ids.size(0), 3)[-1]
        if hidden is not None:
            both = both + hidden
        return self.out(out + both.permute(1, 0, 2).flatten(1).unsqueeze(1))


def test_packed_tagger() -> None:
    torch.manual_seed(3)
    calls = []
    for batch, length in [(2, 5), (1, 3), (4, 7)]:
        lengths = torch.randint(1, length + 1, (batch,))
        ids = torch.randint(1, 12, (batch, length)) * (torch.arange(length) < lengths[:, None])
        calls.append((ids, lengths))
    axes = [{0: "batch", 1: "length"}, {0: "batch"}]
    check_program(Tagger(), *calls, axes=axes)


def sinkhorn(cost: Tensor, steps: int, tolerance: float) -> tuple[Tensor, int]:
    """Optimal transport by Sinkhorn's iterations, until the potentials rest."""
    n, m = cost.shape
    u, v = torch.zeros(n), torch.zeros(m)
    kernel = -cost / 0.1
    used = 0
    for i in range(steps):
        before = u
        u = -torch.logsumexp(kernel + v[None, :], 1) - math.log(n)
        v = -torch.logsumexp(kernel + u[:, None], 0) - math.log(m)
        used = i + 1
        if float((u - before).abs().max()) < tolerance:
            break
    return torch.exp(kernel + u[:, None] + v[None, :]), used


def test_sinkhorn() -> None:
    torch.manual_seed(4)
    calls = [
        (torch.rand(n, m), s, t)
        for n, m, s, t in [(3, 4, 50, 1e-2), (2, 2, 0, 0.1), (5, 1, 2, 0.0)]
    ]
    check_program(sinkhorn, *calls, axes=[{0: "n", 1: "m"}], modes=["scripted"])


def tokenised(ids: list[int], table: dict[int, str], words: Tensor) -> tuple[Tensor, int]:
    """Strings and dicts of the conversion's time around tensors of run time."""
    longest = 0
    rows: list[Tensor] = []
    for i in ids:
        name = table.get(i, "unknown")
        longest = max(longest, len(name))
        if name.startswith("skip") or name == "":
            continue
        rows.append(words[i])
    if len(rows) == 0:
        return words[:0].sum(0, keepdim=True), longest
    return torch.stack(rows).cumsum(0), longest


class Tokenised(nn.Module):
    """Binds them."""

    def forward(self, words: Tensor) -> tuple[Tensor, int]:
        table = {0: "a", 1: "skip me", 2: "longer"}
        return tokenised([0, 1, 2, 3], table, words)


def test_strings_and_dicts() -> None:
    calls = [(torch.randn(n, 2),) for n in (4, 7)]
    check_program(
        Tokenised(), *calls, axes=[{0: "n"}], modes=["scripted"], unwanted={"If", "Loop", "Shape"}
    )

"""Models as their projects write them: windows that shift, invertible flows, transcription.

TorchScript reads the annotations of these modules, so they are not postponed.
"""

# ruff: noqa: RUF046  TorchScript's ceil is a float's; programs as people write them

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.programs.harness import check_program


def windows_of(x: Tensor, size: int) -> Tensor:
    """[batch, height, width, channels] as windows, [n, size, size, channels]."""
    batch, height, width, channels = x.shape
    x = x.view(batch, height // size, size, width // size, size, channels)
    return x.permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, size, size, channels)


class ShiftedWindows(nn.Module):
    """Attention in windows of a picture that is rolled; a mask is painted, slice by slice."""

    def __init__(self, size: int = 2, shift: int = 1):
        super().__init__()
        self.size, self.shift = size, shift
        self.qkv = nn.Linear(4, 12)

    def mask(self, height: int, width: int) -> Tensor:
        high = int(math.ceil(height / self.size)) * self.size
        wide = int(math.ceil(width / self.size)) * self.size
        regions = torch.zeros((1, high, wide, 1))
        count = 0
        for top, bottom in [(0, -self.size), (-self.size, -self.shift), (-self.shift, high)]:
            for left, right in [(0, -self.size), (-self.size, -self.shift), (-self.shift, wide)]:
                regions[:, top:bottom, left:right, :] = count
                count += 1
        flat = windows_of(regions, self.size).view(-1, self.size * self.size)
        differ = flat.unsqueeze(1) - flat.unsqueeze(2)
        return differ.masked_fill(differ != 0, -100.0).masked_fill(differ == 0, 0.0)

    def forward(self, x: Tensor) -> Tensor:
        batch, height, width, channels = x.shape
        n = self.size
        y = F.pad(x, (0, 0, 0, (n - width % n) % n, 0, (n - height % n) % n))
        high, wide = y.shape[1], y.shape[2]
        y = torch.roll(y, shifts=(-self.shift, -self.shift), dims=(1, 2))
        w = windows_of(y, n).view(-1, n * n, channels)
        q, k, v = self.qkv(w).chunk(3, -1)
        mask = self.mask(height, width)
        a = q @ k.transpose(-2, -1)
        a = (a.view(batch, mask.shape[0], n * n, n * n) + mask.unsqueeze(0)).view(-1, n * n, n * n)
        o = (F.softmax(a, -1) @ v).view(batch, high // n, wide // n, n, n, -1)
        y = o.permute(0, 1, 3, 2, 4, 5).contiguous().view(batch, high, wide, -1)
        y = torch.roll(y, shifts=(self.shift, self.shift), dims=(1, 2))
        return x + y[:, :height, :width, :].contiguous()


def test_shifted_windows() -> None:
    torch.manual_seed(2)
    calls = [(torch.randn(*s, 4),) for s in [(2, 8, 6), (1, 5, 7), (1, 4, 4)]]
    axes = [{0: "batch", 1: "height", 2: "width"}]
    check_program(ShiftedWindows(), *calls, axes=axes, modes=["scripted"], unwanted={"Loop"})


class Flow(nn.Module):
    """A step of a normalising flow, both ways: its 1x1 convolution is inverted."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.linalg.qr(torch.randn(4, 4))[0])
        self.net = nn.Conv2d(2, 4, 3, padding=1)

    def forward(self, x: Tensor, backwards: bool) -> tuple[Tensor, Tensor]:
        pixels = x.shape[2] * x.shape[3]
        volume = torch.slogdet(self.weight)[1] * pixels
        if backwards:
            a, b = x.chunk(2, 1)
            shift, scale = self.net(a).chunk(2, 1)
            x = torch.cat([a, b / torch.sigmoid(scale + 2) - shift], 1)
            return F.conv2d(x, torch.inverse(self.weight).view(4, 4, 1, 1)), -volume
        a, b = F.conv2d(x, self.weight.view(4, 4, 1, 1)).chunk(2, 1)
        shift, scale = self.net(a).chunk(2, 1)
        return torch.cat([a, (b + shift) * torch.sigmoid(scale + 2)], 1), volume


def test_flow() -> None:
    """The inverse and the determinant of a parameter are computed when it is converted."""
    torch.manual_seed(3)
    calls = [
        (torch.randn(b, 4, h, w), back)
        for b, h, w, back in [(2, 4, 6, False), (1, 3, 2, True), (1, 2, 2, False)]
    ]
    axes = [{0: "batch", 2: "height", 3: "width"}]
    check_program(Flow(), *calls, axes=axes, modes=["scripted"], unwanted={"Loop", "Det"})


class Transcriber(nn.Module):
    """Spectrogram, encoder, and a greedy decoder whose keys and values grow."""

    def __init__(self, steps: int = 7, stop: int = 3):
        super().__init__()
        self.register_buffer("window", torch.hann_window(16))
        self.register_buffer("filters", torch.rand(6, 9))
        self.conv = nn.Conv1d(6, 8, 3, stride=2, padding=1)
        self.places = nn.Parameter(torch.randn(40, 8))
        self.words = nn.Embedding(12, 8)
        self.q, self.k, self.v = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.cross_k, self.cross_v = nn.Linear(8, 8), nn.Linear(8, 8)
        self.steps, self.stop = steps, stop

    def encode(self, audio: Tensor) -> Tensor:
        spectrum = torch.stft(audio, 16, 4, window=self.window, return_complex=True)
        logs = torch.clamp(self.filters @ (spectrum[..., :-1].abs() ** 2), min=1e-10).log10()
        logs = (torch.maximum(logs, logs.max() - 8.0) + 4.0) / 4.0
        x = F.gelu(self.conv(logs)).permute(0, 2, 1)
        return x + self.places[: x.shape[1]]

    def forward(self, audio: Tensor, prompt: Tensor) -> tuple[Tensor, Tensor]:
        encoded = self.encode(audio)
        cross_k, cross_v = self.cross_k(encoded), self.cross_v(encoded)
        batch = audio.shape[0]
        keys, values = torch.zeros(batch, 0, 8), torch.zeros(batch, 0, 8)
        tokens, new, total = prompt, prompt, torch.zeros(batch)
        for i in range(self.steps):
            at = keys.shape[1]
            x = self.words(new) + self.places[at : at + new.shape[1]]
            keys = torch.cat([keys, self.k(x)], 1)
            values = torch.cat([values, self.v(x)], 1)
            x = x + F.softmax(self.q(x) @ keys.transpose(1, 2), -1) @ values
            x = x + F.softmax(self.q(x) @ cross_k.transpose(1, 2), -1) @ cross_v
            logits = (x @ self.words.weight.t())[:, -1]
            if i == 0:
                logits[:, self.stop] = -float("inf")
            word = logits.argmax(-1)
            done = tokens[:, -1] == self.stop
            total += F.log_softmax(logits, -1)[torch.arange(batch), word] * ~done
            word[done] = self.stop
            tokens = torch.cat([tokens, word[:, None]], -1)
            new = word[:, None]
            if (tokens[:, -1] == self.stop).all():
                break
        return tokens, total


def test_transcriber() -> None:
    torch.manual_seed(4)
    calls = [
        (torch.randn(b, n), torch.randint(4, 12, (b, p)))
        for b, n, p in [(2, 80, 3), (1, 100, 1), (3, 64, 2)]
    ]
    axes = [{0: "batch", 1: "samples"}, {0: "batch", 1: "prompt"}]
    check_program(Transcriber(), *calls, axes=axes, modes=["scripted"], opsets=[13, 20])


class Deltas(nn.Module):
    """Slopes of features over time: one kernel for all channels of all items."""

    def forward(self, features: Tensor, radius: int = 2) -> Tensor:
        shape = features.shape
        rows = features.reshape(1, -1, shape[-1])
        over = radius * (radius + 1) * (2 * radius + 1) / 3
        rows = F.pad(rows, (2, 2), mode="replicate")
        kernel = torch.arange(-2, 3, dtype=rows.dtype).repeat(rows.shape[1], 1, 1)
        return (F.conv1d(rows, kernel, groups=rows.shape[1]) / over).reshape(shape)


def test_deltas() -> None:
    torch.manual_seed(5)
    calls = [(torch.randn(b, 5, n),) for b, n in [(2, 9), (3, 4), (1, 1)]]
    check_program(Deltas(), *calls, axes=[{0: "batch", 2: "time"}], modes=["scripted"])

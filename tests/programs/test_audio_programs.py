"""Spectra, streams and flows.

TorchScript reads the annotations of these modules, so they are not postponed.
"""

# ruff: noqa: B905  TorchScript's zip takes no `strict`; programs as people write them

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.conversion.harness import check_state, operators
from tests.programs.harness import check_program


class MelSpectrogram(nn.Module):
    """A spectrogram by convolution with windowed sines, then mel filters and decibels."""

    def __init__(self, n_fft: int = 16, hop: int = 4, mels: int = 5):
        super().__init__()
        self.hop, self.n_fft = hop, n_fft
        k = torch.arange(n_fft // 2 + 1).unsqueeze(1) * torch.arange(n_fft) * (2 * math.pi / n_fft)
        window = torch.hann_window(n_fft)
        basis = torch.cat([torch.cos(k), -torch.sin(k)]) * window
        self.register_buffer("basis", basis.unsqueeze(1))
        self.register_buffer("filters", torch.rand(mels, n_fft // 2 + 1))

    def forward(self, audio: Tensor) -> Tensor:
        x = F.pad(audio.unsqueeze(1), (self.n_fft // 2, self.n_fft // 2), mode="reflect")
        x = F.conv1d(x, self.basis, stride=self.hop)
        real, imag = torch.chunk(x, 2, dim=1)
        power = real.pow(2) + imag.pow(2)
        mel = torch.matmul(self.filters, power)
        db = 10.0 * torch.log10(torch.clamp(mel, min=1e-10))
        return torch.max(db, db.amax(dim=(-2, -1), keepdim=True) - 80.0)


def test_mel_spectrogram() -> None:
    torch.manual_seed(0)
    calls = [(torch.randn(b, n),) for b, n in [(2, 40), (1, 100)]]
    axes = [{0: "batch", 1: "samples"}]
    check_program(MelSpectrogram(), *calls, axes=axes, unwanted={"If", "Loop", "Shape"})


class Stft(nn.Module):
    """The same by `torch.stft`, complex in between."""

    def forward(self, audio: Tensor) -> Tensor:
        window = torch.hann_window(16)
        spectrum = torch.stft(audio, 16, 4, window=window, center=True, return_complex=True)
        return torch.log1p(spectrum.abs())


def test_stft() -> None:
    torch.manual_seed(0)
    calls = [(torch.randn(b, n),) for b, n in [(2, 40), (1, 100)]]
    axes = [{0: "batch", 1: "samples"}]
    check_program(Stft(), *calls, axes=axes, opsets=[13, 17, 20], unwanted={"If", "Loop"})


class StreamingConv(nn.Module):
    """A causal convolution that keeps the end of the last chunk."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(2, 3, 5, dilation=2)
        self.register_buffer("tail", torch.zeros(1, 2, 8))
        self.register_buffer("chunks", torch.zeros(1, dtype=torch.long))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.tail, x], -1)
        self.tail = x[:, :, -8:]
        self.chunks += 1
        return self.conv(x)


def test_streaming_convolution() -> None:
    torch.manual_seed(1)
    calls = [(torch.randn(1, 2, 10),) for _ in range(4)]
    for opset in (13, 20):
        result = check_state(StreamingConv().eval(), *calls, opset_version=opset)
        assert not operators(result) & {"If", "Loop", "Shape"}


class WaveNet(nn.Module):
    """Generates sample by sample; each dilated layer reads from a queue."""

    def __init__(self, channels: int = 4, layers: int = 3):
        super().__init__()
        self.start = nn.Conv1d(1, channels, 1)
        self.gates = nn.ModuleList(
            [nn.Conv1d(channels, 2 * channels, 2, dilation=2**i) for i in range(layers)]
        )
        self.skips = nn.ModuleList([nn.Conv1d(channels, channels, 1) for _ in range(layers)])
        self.end = nn.Conv1d(channels, 1, 1)

    def forward(self, first: Tensor, steps: int) -> Tensor:
        batch = first.size(0)
        queues: list[Tensor] = []
        for i in range(len(self.gates)):
            queues.append(torch.zeros(batch, 4, 1 << i))
        sample = first
        samples: list[Tensor] = []
        for _ in range(steps):
            x = self.start(sample)
            skip = torch.zeros_like(x)
            for i, (gate, out) in enumerate(zip(self.gates, self.skips)):
                window = torch.cat([queues[i], x], 2)
                queues[i] = window[:, :, 1:]
                a, b = gate(window).chunk(2, 1)
                y = out(torch.tanh(a) * torch.sigmoid(b))
                x = x + y
                skip = skip + y
            sample = self.end(F.relu(skip))
            samples.append(sample)
        return torch.cat(samples, 2)


def test_wavenet_generation() -> None:
    torch.manual_seed(2)
    calls = [(torch.randn(b, 1, 1), n) for b, n in [(1, 6), (2, 1), (1, 90)]]
    check_program(WaveNet(), *calls, axes=[{0: "batch"}], modes=["scripted"])


class Coupling(nn.Module):
    """An affine coupling layer, both ways."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 4))

    def forward(self, x: Tensor, reverse: bool = False) -> tuple[Tensor, Tensor]:
        a, b = x.chunk(2, -1)
        shift, scale = self.net(a).chunk(2, -1)
        scale = torch.tanh(scale)
        if reverse:
            return torch.cat([a, (b - shift) * torch.exp(-scale)], -1), -scale.sum(-1)
        return torch.cat([a, b * torch.exp(scale) + shift], -1), scale.sum(-1)


class Flow(nn.Module):
    """Coupling layers with permutations; the density and the way back."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([Coupling() for _ in range(3)])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_det = x.new_zeros(x.shape[0])
        z = x
        for layer in self.layers:
            z, found = layer(z)
            z = z.flip(-1)
            log_det = log_det + found
        density = -0.5 * (z**2 + math.log(2 * math.pi)).sum(-1) + log_det
        back = z
        for layer in self.layers[::-1]:
            back, _ = layer(back.flip(-1), reverse=True)
        return density, back


def test_normalising_flow() -> None:
    torch.manual_seed(3)
    calls = [(torch.randn(b, 4),) for b in (3, 1)]
    # Traced alone: TorchScript's compiler goes over `layers[::-1]` as if all were the last one.
    axes = [{0: "batch"}]
    check_program(Flow(), *calls, axes=axes, modes=["traced"], unwanted={"If", "Loop"})


class MixtureHead(nn.Module):
    """A mixture of Gaussians: the likelihood of a target, the most likely mean."""

    def __init__(self, mixtures: int = 4, size: int = 2):
        super().__init__()
        self.mixtures, self.size = mixtures, size
        self.out = nn.Linear(5, mixtures * (2 * size + 1))

    def forward(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        parts = self.out(x).split(
            [self.mixtures, self.mixtures * self.size, self.mixtures * self.size], -1
        )
        log_pi = F.log_softmax(parts[0], -1)
        mean = parts[1].view(-1, self.mixtures, self.size)
        log_sigma = parts[2].view(-1, self.mixtures, self.size)
        inside = ((target.unsqueeze(1) - mean) * torch.exp(-log_sigma)).pow(2)
        log_p = (-0.5 * inside - log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)
        loss = -torch.logsumexp(log_pi + log_p, dim=-1).mean()
        best = log_pi.argmax(-1)
        return loss, mean[torch.arange(x.size(0)), best]


def test_mixture_density_head() -> None:
    torch.manual_seed(4)
    calls = [(torch.randn(b, 5), torch.randn(b, 2)) for b in (3, 1)]
    axes = [{0: "batch"}, {0: "batch"}]
    check_program(MixtureHead(), *calls, axes=axes, unwanted={"If", "Loop"})

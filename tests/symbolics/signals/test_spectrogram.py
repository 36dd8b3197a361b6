"""`stft` and `istft` against PyTorch's, and the models that are made of them."""

import pytest
import torch

from tests.symbolics.harness import check, refuses

torch.manual_seed(0)
SIGNAL = torch.randn(2, 500)
LOOSE = 1e-4


def window(n):
    return torch.hann_window(n)


def spectrum(n_fft, **options):
    return torch.stft(SIGNAL, n_fft, return_complex=True, **options)


STFT = {
    "plain": {"n_fft": 64, "window": window(64)},
    "no window": {"n_fft": 64},
    "odd": {"n_fft": 25, "hop_length": 7, "window": window(25)},
    "short window": {"n_fft": 60, "win_length": 41, "hop_length": 15, "window": window(41)},
    "short without a window": {"n_fft": 60, "win_length": 41},
    "not centred": {"n_fft": 64, "center": False, "window": window(64)},
    "constant": {"n_fft": 64, "pad_mode": "constant"},
    "replicate": {"n_fft": 64, "pad_mode": "replicate"},
    "normalized": {"n_fft": 50, "normalized": True, "window": window(50)},
    "two sides": {"n_fft": 32, "onesided": False},
    "long": {"n_fft": 400, "hop_length": 160, "window": window(400)},
}


@pytest.mark.parametrize("mode", ["trace", "script"])
@pytest.mark.parametrize("case", STFT)
def test_stft(case, mode):
    options = dict(STFT[case])
    n_fft = options.pop("n_fft")
    if mode == "trace":
        check(
            lambda x: torch.stft(x, n_fft, return_complex=True, **options),
            SIGNAL,
            opsets=(13, 20),
            atol=LOOSE,
        )
        check(
            lambda x: torch.stft(x, n_fft, return_complex=False, **options),
            SIGNAL[0],
            opsets=(17,),
            atol=LOOSE,
        )
    elif case == "plain":

        def scripted(x, shape: torch.Tensor):
            return torch.stft(x, 64, window=shape, return_complex=True)

        check(scripted, SIGNAL, window(64), mode="script", atol=LOOSE)


def test_stft_of_complex_and_double_signals():
    z = torch.complex(SIGNAL, SIGNAL.flip(0))
    check(lambda z: torch.stft(z, 40, return_complex=True), z, opsets=(20,), atol=LOOSE)
    shape = window(64).double()
    check(
        lambda x: torch.stft(x, 64, return_complex=True, window=shape),
        SIGNAL.double(),
        opsets=(20,),
        rtol=1e-9,
        atol=1e-9,
    )


def test_stft_of_signals_of_any_length():
    others = [(torch.randn(1, 900),), (torch.randn(3, 256),)]

    def function(x):
        return torch.stft(x, 64, 16, window=window(64), return_complex=True).abs() ** 2

    check(function, SIGNAL, dynamic=True, calls=others, atol=1e-3)


ISTFT = {
    "plain": ({"n_fft": 64, "window": window(64)}, {}),
    "no window": ({"n_fft": 64}, {}),
    "odd": ({"n_fft": 25, "hop_length": 7, "window": window(25)}, {}),
    "short window": (
        {"n_fft": 60, "win_length": 41, "hop_length": 15, "window": window(41)},
        {},
    ),
    "not centred": ({"n_fft": 64, "center": False}, {}),
    "normalized": ({"n_fft": 50, "normalized": True}, {}),
    "two sides": ({"n_fft": 32, "onesided": False}, {}),
    "cut": ({"n_fft": 64, "window": window(64)}, {"length": 450}),
    "filled up": ({"n_fft": 64, "hop_length": 40}, {"length": 600}),
    "complex": ({"n_fft": 32, "onesided": False}, {"return_complex": True}),
}


@pytest.mark.parametrize("case", ISTFT)
def test_istft(case):
    options, more = ISTFT[case]
    options = dict(options)
    n_fft = options.pop("n_fft")
    found = torch.randn_like(spectrum(n_fft, **options))

    def function(z):
        return torch.istft(z, n_fft, **options, **more)

    # Where PyTorch divides by next to nothing, so does the model.
    check(function, found, opsets=(13, 20), rtol=1e-3, atol=1e-3)
    check(function, found[0], opsets=(20,), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "dtypes", [(torch.complex64, torch.float64), (torch.complex128, torch.float32)]
)
def test_istft_with_a_window_of_another_precision(dtypes):
    """The wider of the two is the result's."""
    shape = window(64).to(dtypes[1])
    found = spectrum(64, window=window(64)).to(dtypes[0])
    check(lambda z: torch.istft(z, 64, window=shape), found, opsets=(20,), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("mode", ["trace", "script"])
def test_masked_spectrum_and_back(mode):
    class Denoiser(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("window", torch.hann_window(64))
            self.mask = torch.nn.Linear(33, 33)

        def forward(self, x):
            found = torch.stft(x, 64, 16, window=self.window, return_complex=True)
            mask = torch.sigmoid(self.mask(found.abs().transpose(1, 2)).transpose(1, 2))
            kept = torch.istft(found * mask, 64, 16, window=self.window, length=x.shape[-1])
            polar = torch.polar(found.abs() * mask, found.angle())
            return kept, torch.istft(polar, 64, 16, window=self.window)

    check(Denoiser(), SIGNAL, mode=mode, atol=LOOSE)
    if mode == "script":
        other = (torch.randn(1, 800),)
        check(Denoiser(), SIGNAL, mode=mode, dynamic=True, calls=[other], atol=LOOSE, opsets=(20,))


def test_phases_by_griffin_and_lim():
    class Phases(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("window", torch.hann_window(64))

        def forward(self, size):
            turns = torch.ones(size.shape, dtype=torch.cfloat)
            before = torch.zeros_like(turns)
            for _ in range(2):
                signal = torch.istft(size * turns, 64, 16, window=self.window)
                again = torch.stft(signal, 64, 16, window=self.window, return_complex=True)
                turns = again - before * 0.5
                turns = turns / (turns.abs() + 1e-16)
                before = again
            return torch.istft(size * turns, 64, 16, window=self.window)

    check(Phases(), torch.rand(2, 33, 12), atol=1e-3)
    check(Phases(), torch.rand(2, 33, 12), mode="script", atol=1e-3, opsets=(20,))


def test_refused():
    refuses(
        lambda x: torch.stft(x, 64, center=False, align_to_window=True, return_complex=True),
        SIGNAL,
        match="align_to_window",
    )

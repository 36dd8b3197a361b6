"""Fourier transforms against PyTorch's: lengths, norms, dims, both float types, dynamic sizes."""

import pytest
import torch

from tests.symbolics.harness import check

torch.manual_seed(0)
NORMS = (None, "forward", "backward", "ortho")
ONE = {"fft": "complex", "ifft": "complex", "rfft": "real", "irfft": "complex", "hfft": "complex",
       "ihfft": "real"}  # fmt: skip
# A power of two, others with a stored matrix, and two without one, of which one is odd.
LENGTHS = (1, 2, 3, 8, 16, 30, 800, 1001)


def signal(kind, *shape, dtype=torch.float32):
    x = torch.randn(*shape, dtype=dtype)
    return torch.complex(x, torch.randn(*shape, dtype=dtype)) if kind == "complex" else x


@pytest.mark.parametrize("name", ONE)
def test_lengths(name):
    transform = getattr(torch.fft, name)
    for n in LENGTHS:
        x = signal(ONE[name], 2, n // 2 + 1 if name in ("irfft", "hfft") else n)
        scale = n**0.5 if name in ("fft", "rfft", "hfft") else 1
        check(lambda x, n=n: transform(x, n=n), x, opsets=(13, 20), atol=2e-6 * scale)


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("norm", NORMS)
def test_norms(name, norm):
    transform = getattr(torch.fft, name)
    x = signal(ONE[name], 3, 9)
    check(lambda x: transform(x, norm=norm), x, opsets=(9, 17, 20))
    # Not by a matrix.
    wide = signal(ONE[name], 16, 2)
    check(lambda x: transform(x, n=16, dim=0, norm=norm), wide, opsets=(20,))
    check(lambda x: transform(x, norm=norm), x, opsets=(20,), dynamic=True)


@pytest.mark.parametrize("name", ONE)
def test_cut_and_filled_up(name):
    transform = getattr(torch.fft, name)
    x = signal(ONE[name], 3, 9, 2)
    check(lambda x: (transform(x, n=5, dim=1), transform(x, n=20, dim=1)), x, opsets=(13, 20))


@pytest.mark.parametrize("name", ONE)
def test_dynamic_sizes(name):
    transform = getattr(torch.fft, name)
    others = [(signal(ONE[name], *shape),) for shape in ((1, 16), (4, 15), (2, 300))]
    check(transform, signal(ONE[name], 2, 10), dynamic=True, calls=others, opsets=(13, 17, 20))
    check(lambda x: transform(x, n=12), signal(ONE[name], 2, 10), dynamic=True, calls=others)


@pytest.mark.parametrize("name", ONE)
def test_doubles_are_exact(name):
    transform = getattr(torch.fft, name)
    for n in (16, 27, 1000):
        x = signal(ONE[name], 2, n, dtype=torch.float64)
        check(transform, x, opsets=(20,), rtol=1e-10, atol=1e-10)
    x = signal(ONE[name], 2, 1000, dtype=torch.float64)
    check(transform, x, opsets=(20,), rtol=1e-10, atol=1e-10, dynamic=True)


MANY = {
    "fft2": lambda x: torch.fft.fft2(x),
    "fft2 of dims": lambda x: torch.fft.fft2(x, dim=(0, 2)),
    "fftn": lambda x: torch.fft.fftn(x),
    "fftn of sizes": lambda x: torch.fft.fftn(x, s=(5, -1)),
    "ifftn": lambda x: torch.fft.ifftn(x, s=(3, 4), dim=(0, 1), norm="ortho"),
    "rfft2": lambda x: torch.fft.rfft2(x.real),
    "rfftn": lambda x: torch.fft.rfftn(x.real, s=(4, 7), norm="forward"),
    "irfft2": lambda x: torch.fft.irfft2(x),
    "irfftn": lambda x: torch.fft.irfftn(x, s=(4, 7), dim=(2, 0)),
    "hfft2": lambda x: torch.fft.hfft2(x),
    "hfftn": lambda x: torch.fft.hfftn(x, s=(4, 9), norm="ortho"),
    "ihfft2": lambda x: torch.fft.ihfft2(x.real),
    "ihfftn": lambda x: torch.fft.ihfftn(x.real, norm="forward"),
    "shifted": lambda x: torch.fft.ifftshift(torch.fft.fftshift(torch.fft.fft2(x))),
}


@pytest.mark.parametrize("case", MANY)
def test_several_dims(case):
    x = signal("complex", 3, 6, 5)
    check(MANY[case], x, opsets=(13, 20))
    check(MANY[case], x, opsets=(20,), dynamic=True, calls=[(signal("complex", 2, 8, 4),)])


def test_dtypes():
    check(torch.fft.fft, torch.arange(6))
    check(torch.fft.rfft, torch.tensor([True, False, True]))
    check(torch.fft.irfft, torch.arange(6.0))


@pytest.mark.parametrize("mode", ["trace", "script"])
def test_spectral_convolution(mode):
    """The layer of Fourier neural operators."""

    class Layer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.low = torch.nn.Parameter(torch.rand(3, 4, 4, 4, dtype=torch.cfloat))
            self.high = torch.nn.Parameter(torch.rand(3, 4, 4, 4, dtype=torch.cfloat))

        def forward(self, x):
            found = torch.fft.rfft2(x)
            out = torch.zeros(
                x.shape[0], 4, x.size(-2), x.size(-1) // 2 + 1, dtype=torch.cfloat, device=x.device
            )
            out[:, :, :4, :4] = torch.einsum("bixy,ioxy->boxy", found[:, :, :4, :4], self.low)
            out[:, :, -4:, :4] = torch.einsum("bixy,ioxy->boxy", found[:, :, -4:, :4], self.high)
            return torch.fft.irfft2(out, s=(x.size(-2), x.size(-1)))

    check(Layer(), torch.randn(2, 3, 12, 10), mode=mode)

"""Spectrograms: `stft`, its inverse `istft`.

The transforms of the frames are those of `fourier`. All sizes but the transform's own may be known
at run time only.
"""

from __future__ import annotations

import numpy as np

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.complex_numbers import as_real, from_real
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim, is_ge, sym_max, sym_min
from exporter.onnx_graph.values import Tensor
from symbolics.layers.padding import pad
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import common_dtype, is_complex
from symbolics.signals.fourier import (
    complex_to_complex,
    complex_to_real,
    real_to_complex,
    resized,
)

__all__ = ["istft", "stft"]


def _wide_window(g: Builder, window: Tensor | None, win_length: int, n_fft: int) -> Tensor | None:
    """The window in the middle of a frame, zeros around it; None for a frame without one."""
    if window is None:
        if win_length == n_fft:
            return None
        window = g.constant(np.ones(win_length, np.float32))
    left = (n_fft - win_length) // 2
    if win_length < n_fft:
        window = g.Pad(window, [left, n_fft - win_length - left])
    return window


def _numbers(
    n_fft: int, hop_length: int | None, win_length: int | None, name: str
) -> tuple[int, int, int]:
    """The lengths of a frame, of the steps between frames, and of the window."""
    for value in (n_fft, hop_length, win_length):
        if value is not None and not isinstance(value, int):
            raise Unsupported(f"{name} with lengths that are only known at run time")
    window = n_fft if win_length is None else win_length
    hop = n_fft // 4 if hop_length is None else hop_length
    if hop <= 0 or not 0 < window <= n_fft:
        raise Unsupported(f"{name} with n_fft={n_fft}, hop_length={hop}, win_length={window}")
    return n_fft, hop, window


# ---------------------------------------------------------------- the transform of frames


@symbolic(
    "aten::stft(Tensor self, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool normalized=False, bool? onesided=None, bool? return_complex=None, bool? align_to_window=None) -> Tensor"
)
def stft(
    g: Builder,
    self: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:
    """[..., bins, frames] of a signal or a batch of them; as pairs if not complex."""
    if align_to_window:
        raise Unsupported("stft with align_to_window=True")
    n_fft, hop, length = _numbers(n_fft, hop_length, win_length, "stft")
    whole = is_complex(self.dtype) or (window is not None and is_complex(window.dtype))
    if return_complex is None:
        return_complex = whole
    onesided = not whole if onesided is None else onesided
    if onesided and whole:
        raise Unsupported("PyTorch has no stft with onesided=True of complex numbers")
    batched = self.require_rank() == 2
    if not batched:
        self = g.Unsqueeze(self, axes=[0])
    frames = _frames(g, self, n_fft, hop, _wide_window(g, window, length, n_fft))
    root = 0.5 if normalized else 0.0
    if onesided:
        result = real_to_complex(g, frames, 2, n_fft, root, forward=True)
    else:
        result = complex_to_complex(g, frames, 2, n_fft, root, forward=True)
    result = g.Transpose(result, perm=[0, 2, 1])
    if not batched:
        result = g.Squeeze(result, axes=[0])
    return result if return_complex else as_real(result)


def _frames(g: Builder, signal: Tensor, n_fft: int, hop: int, window: Tensor | None) -> Tensor:
    """[batch, frames, n_fft]: pieces of the signals times the window."""
    count = (g.size(signal, 1) - n_fft) // hop + 1
    if isinstance(count, int) and count < 1:
        raise Unsupported(f"stft of {signal.require_shape()[1]} points with n_fft={n_fft}")
    starts = g.reshape(g.Mul(consecutive(g, count), hop), [count, 1])
    places = g.Add(starts, g.constant(np.arange(n_fft)))
    frames = g.Gather(signal, places, axis=1)
    if window is None:
        return frames
    dtype = common_dtype(frames.dtype, window.dtype)
    return g.Mul(g.cast(frames, dtype), g.cast(window, dtype))


@symbolic(
    'aten::stft.center(Tensor self, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool center=True, str pad_mode="reflect", bool normalized=False, bool? onesided=None, bool? return_complex=None, bool? align_to_window=None) -> Tensor'
)
def stft_center(
    g: Builder,
    self: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:
    """`stft` of the signal with half a frame added on both sides, so that frames are centred."""
    if center:
        _numbers(n_fft, hop_length, win_length, "stft")
        self = pad(g, self, [n_fft // 2, n_fft // 2], pad_mode)
    return stft(
        g,
        self,
        n_fft,
        hop_length,
        win_length,
        window,
        normalized,
        onesided,
        return_complex,
        align_to_window,
    )


# ---------------------------------------------------------------- and back


@symbolic(
    "aten::istft(Tensor self, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool center=True, bool normalized=False, bool? onesided=None, int? length=None, bool return_complex=False) -> Tensor"
)
def istft(
    g: Builder,
    self: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: Dim | None = None,
    return_complex: bool = False,
) -> Tensor:
    """The signal whose windowed frames come closest: overlapping frames added, divided by windows.

    1. The inverse transform of each frame.
    2. Frames times the window, and the window's squares, each overlapped and added.
    3. The part of both without what `center` has padded, and their quotient, of the `length`.

    PyTorch makes sure that the added windows are nowhere 0. That isn't checked at run time: such a
    place is a division by zero.
    """
    n_fft, hop, size = _numbers(n_fft, hop_length, win_length, "istft")
    if not is_complex(self.dtype):
        self = from_real(self)
    rank = self.require_rank()
    if rank == 2:
        self = g.Unsqueeze(self, axes=[0])
    onesided = g.size(self, 1) != n_fft if onesided is None else onesided
    if onesided and return_complex:
        raise Unsupported("PyTorch has no istft with return_complex=True from one side")
    bins = n_fft // 2 + 1 if onesided else n_fft
    if g.size(self, 1) != bins:
        raise Unsupported(f"istft of {g.size(self, 1)} frequencies with n_fft={n_fft}")
    spectra = g.Transpose(self, perm=[0, 2, 1])
    root = 0.5 if normalized else 1.0
    if return_complex:
        frames = complex_to_complex(g, spectra, 2, n_fft, root, forward=False)
    else:
        # Of both sides the second is not read: that of a real signal mirrors the first.
        frames = complex_to_real(g, spectra, 2, n_fft, root, forward=False)
        if window is not None and is_complex(window.dtype):
            raise Unsupported("PyTorch wants return_complex=True of istft with a complex window")
    taper = _wide_window(g, window, size, n_fft)
    if taper is None:
        taper = g.constant(np.ones(n_fft, np.float32))
    dtype = common_dtype(taper.dtype, frames.dtype)
    taper, frames = g.cast(taper, dtype), g.cast(frames, dtype)
    count = g.size(frames, 1)
    signal = _overlapped(g, g.Mul(frames, taper), count, n_fft, hop)
    squares = g.Expand(g.Mul(taper, taper), [1, count, n_fft])
    envelope = _overlapped(g, squares, count, n_fft, hop)
    full = n_fft + hop * (count - 1)
    start = n_fft // 2 if center else 0
    if length is None:
        end: Dim = full - n_fft // 2 if center else full
    else:
        end = start + length
    stop = end if is_ge(full, end) else sym_min(end, full)
    signal, envelope = (g.Slice(t, [start], [stop], [1]) for t in (signal, envelope))
    result = g.Div(signal, envelope)
    if length is not None:
        result = resized(g, result, 1, sym_max(length, 0))
    return g.Squeeze(result, axes=[0]) if rank == 2 else result


def _overlapped(g: Builder, frames: Tensor, count: Dim, n_fft: int, hop: int) -> Tensor:
    """[batch, n_fft + hop * (count - 1)] or longer: frames added, each `hop` after the one before.

    Frames are cut into pieces of `hop`, and piece i of frame t belongs to place t + i.
    """
    pieces = -(-n_fft // hop)
    batch = g.size(frames, 0)
    frames = resized(g, frames, 2, pieces * hop)
    cut = g.reshape(frames, [batch, count, pieces, hop])
    terms = [
        g.Pad(g.Gather(cut, i, axis=2), [0, i, 0, 0, pieces - 1 - i, 0]) for i in range(pieces)
    ]
    total = terms[0] if pieces == 1 else g.Sum(*terms)
    return g.reshape(total, [batch, (count + (pieces - 1)) * hop])

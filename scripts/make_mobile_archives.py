#!/usr/bin/env python3
"""Write the archives of `tests/archive/recorded/`: a small network as phones had it.

    make_mobile_archives.py

`mobile.npz` holds an input `x` and what PyTorch returned for it, `y`. To be run by a PyTorch that
was built with XNNPACK (1.13 was); the one that the tests use was not.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  as everybody calls it
from torch import nn
from torch.utils.mobile_optimizer import optimize_for_mobile

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "archive" / "recorded"


class Network(nn.Module):
    """A convolution of each kind and two linear layers, with what may be fused behind each."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1, stride=2)
        self.norm = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8, dilation=2, padding=(2, 1), bias=False)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=3, output_padding=1, padding=(0, 1))
        self.hidden = nn.Linear(4, 5)
        self.last = nn.Linear(5, 2)
        self.dropout = nn.Dropout(0.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.hardtanh_(self.norm(self.first(x)), 0.0, 6.0)
        x = F.relu(self.up(self.depthwise(x)), inplace=True)
        x = F.relu(self.hidden(x.mean(dim=[2, 3])))
        return self.dropout(F.hardtanh(self.last(x), -0.2, 0.3))


def without_paths(archive: bytes) -> bytes:
    """The archive without the records that say in which files of this machine its code stood."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(result, "w") as new:
        for entry in old.infolist():
            if "debug" not in entry.filename:
                new.writestr(entry, old.read(entry))
    return result.getvalue()


def main() -> None:
    torch.manual_seed(0)
    network = Network().eval()
    x = torch.rand(2, 3, 9, 8) - 0.5
    traced = optimize_for_mobile(torch.jit.trace(network, x)).save_to_buffer()
    scripted = optimize_for_mobile(torch.jit.script(network))
    lite = scripted._save_to_buffer_for_lite_interpreter()
    for name, content in {"mobile_traced.pt": traced, "mobile_scripted.ptl": lite}.items():
        (FOLDER / name).write_bytes(without_paths(content))
    with torch.no_grad():
        np.savez(FOLDER / "mobile.npz", x=x.numpy(), y=network(x).numpy())


if __name__ == "__main__":
    main()

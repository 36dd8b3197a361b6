"""Reads TorchScript archives (what `torch.jit.save` writes) without PyTorch, executing nothing."""

from __future__ import annotations

from exporter.archive.reader import Archive, open_archive
from exporter.archive.source_ranges import SourceFrame, SourceRange, SourceRanges
from exporter.archive.values import (
    Device,
    EnumMember,
    PerChannel,
    PerTensor,
    ScriptObject,
    SparseTensorData,
    Storage,
    TensorData,
)

__all__ = [
    # opening
    "open_archive",
    "Archive",
    # values
    "ScriptObject",
    "TensorData",
    "SparseTensorData",
    "Storage",
    "PerTensor",
    "PerChannel",
    "Device",
    "EnumMember",
    # source ranges
    "SourceRanges",
    "SourceRange",
    "SourceFrame",
]

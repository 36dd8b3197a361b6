"""Runs a converted model in onnxruntime and compares it with a reference.

The reference is PyTorch where that is installed, or arrays that were recorded. Without either, the
model is only run: a smoke run, and it is called that.
"""

from __future__ import annotations

from exporter.verification.calls import CallPlan
from exporter.verification.comparison import Difference, Tolerance, compare
from exporter.verification.session import Session
from exporter.verification.verify import Run, Verification, verify_arrays, verify_export

__all__ = [
    # verifying
    "verify_export",
    "verify_arrays",
    "Verification",
    "Run",
    # its parts
    "CallPlan",
    "Session",
    "Tolerance",
    "Difference",
    "compare",
]

"""The collector of cyclic garbage is off while a program is converted, and as before afterwards."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import exporter
from exporter.collector import collector_paused
from symbolics.registry import overloads

MODEL = "models/archives/resnet18.pt"
ROOT = Path(__file__).parent.parent


def test_it_is_off_inside_and_on_again_after_an_error():
    def fail():
        with collector_paused():
            assert not gc.isenabled()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert gc.isenabled()


def test_who_has_turned_it_off_keeps_it_off():
    gc.disable()
    try:
        with collector_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_it_is_off_while_operators_are_converted(monkeypatch):
    [overload] = overloads("aten::adaptive_avg_pool2d")
    convert, seen = overload.function, []

    def watched(*arguments, **named):
        seen.append(gc.isenabled())
        return convert(*arguments, **named)

    monkeypatch.setattr(overload, "function", watched)
    exporter.export(ROOT / MODEL)
    assert seen == [False]
    assert gc.isenabled()


def test_it_is_off_while_a_module_is_traced():
    seen = []

    class Watched(nn.Module):
        def forward(self, x):
            seen.append(gc.isenabled())
            return x + 1

    exporter.export(Watched(), torch.ones(2))
    assert seen
    assert not any(seen)
    assert gc.isenabled()


@pytest.mark.parametrize(("given", "enabled"), [("", False), ('["--version"]', True)])
def test_only_a_process_of_its_own_is_left_without_it(given, enabled):
    program = f"""
import gc, sys
from exporter.cli import main
sys.argv = ["ts2onnx", "--version"]
try:
    main({given})
except SystemExit:
    print(gc.isenabled())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-1] == str(enabled)

"""The `ts2onnx` command: converts, unless its first word is that of another command.

    ts2onnx MODEL.pt [OPTIONS]            convert
    ts2onnx inspect MODEL.pt [OPTIONS]    look into an archive

A file that is named like a command is given with its folder: `ts2onnx ./inspect`. Commands are
imported when they run: what one needs does not slow the other.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from exporter.collector import stop_collector

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit with its code; see `exporter.commands.outcome`."""
    if arguments is None:  # the process is the command's own
        stop_collector()
    # Converting needs no BLAS threads; numpy would start them when it is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["--version"]:
        from exporter import __version__  # noqa: PLC0415  this and those below: only what runs is imported

        print(f"ts2onnx {__version__}")
        sys.exit(0)
    if words[:1] == ["inspect"]:
        from exporter.commands.inspect import inspect  # noqa: PLC0415  only what runs is imported
        from exporter.commands.outcome import run  # noqa: PLC0415  imports click

        run(inspect, words[1:], "ts2onnx inspect")
    else:
        from exporter.commands.convert import convert  # noqa: PLC0415  only what runs is imported
        from exporter.commands.outcome import run  # noqa: PLC0415  imports click

        # Without a word there is nothing to convert: say what there is.
        run(convert, words or ["--help"], "ts2onnx")


if __name__ == "__main__":
    main()

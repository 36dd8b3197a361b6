"""How a command ends: its exit code, and errors as people and machines read them.

0  done
1  the file is no usable archive, the program can't be converted, or a file can't be written
2  the command line is wrong, or does not fit the model
3  the model was converted, and the verification found a difference
4  a mistake of this program: please report it
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click

from exporter.errors import ExportError, InputError, VerificationError

__all__ = ["DONE", "FAILED", "INTERNAL", "UNVERIFIED", "USAGE", "outcome", "print_json", "run"]

DONE, FAILED, USAGE, UNVERIFIED, INTERNAL = range(5)


def run(command: click.Command, words: list[str], name: str) -> NoReturn:
    """Run a command and exit; what is wrong with its words is an error like all others."""
    try:
        code = command.main(words, prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        known = "--json" in words
        _fail("UsageError", error.format_message(), [f"try {name} --help"], USAGE, known)
    except click.Abort:
        _fail("Abort", "interrupted", [], FAILED, as_json=False)
    sys.exit(code if isinstance(code, int) else DONE)


@contextmanager
def outcome(file: str, *, as_json: bool) -> Iterator[None]:
    """Turn errors into a message and an exit code; `file` is what the command is about."""
    try:
        yield
    except ExportError as error:
        # Some are about a file and say so; others are about what is in it.
        known = file in error.message or Path(file).name in error.message
        message = error.message if known else f"{file}: {error.message}"
        _fail(type(error).__name__, message, error.notes, _code(error), as_json)
    except (click.ClickException, click.Abort, click.exceptions.Exit):
        raise
    except BrokenPipeError:
        # Whoever read the output has enough. Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _fail("OSError", f"{place}{error.strerror or error}", [], FAILED, as_json)
    except MemoryError:
        _fail("MemoryError", f"{file}: not enough memory", [], FAILED, as_json)
    except Exception as error:
        notes = [
            "this is a mistake in ts2onnx, or in a symbolic of your own, not in the model; "
            "please report it with what follows",
            *traceback.format_exc().rstrip().splitlines(),
        ]
        message = f"{file}: internal error: {type(error).__name__}: {error}"
        _fail(type(error).__name__, message, notes, INTERNAL, as_json)


def _code(error: ExportError) -> int:
    if isinstance(error, VerificationError):
        return UNVERIFIED
    return USAGE if isinstance(error, InputError) else FAILED


def _fail(kind: str, message: str, notes: list[str], code: int, as_json: bool) -> NoReturn:
    if as_json:
        described = {"type": kind, "message": message, "notes": notes, "exit_code": code}
        print_json({"error": described})
    else:
        lines = [f"error: {message.splitlines()[0]}", *message.splitlines()[1:], *notes]
        click.echo("\n  ".join(lines), err=True)
    sys.exit(code)


def print_json(value: object) -> None:
    """Write one JSON document to standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))

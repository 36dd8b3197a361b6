"""Every error that a user of the exporter can meet.

    ExportError
    ├── ArchiveError                  the file can't be read as a TorchScript archive
    │   └── NotTorchScriptError       it is something else, and the message says what
    ├── ScriptError                   the code in the archive can't be understood
    ├── ConversionError               a program that has no exact ONNX counterpart
    │   ├── UnsupportedOperatorError  operators without a symbolic, all of the model together
    │   ├── UnsupportedError          one construct or argument; symbolics raise it as `Unsupported`
    │   └── RaisedError               the program itself fails, whatever its inputs are
    ├── InputError                    arguments of `export` that don't fit the model
    └── VerificationError             the result differs from the reference

The message is one sentence that says what is wrong; `notes` are the indented lines below it
(where in the model, where in the user's source, what to try).
"""

from __future__ import annotations

__all__ = [
    "ExportError",
    "ArchiveError",
    "NotTorchScriptError",
    "ScriptError",
    "ConversionError",
    "UnsupportedOperatorError",
    "UnsupportedError",
    "RaisedError",
    "InputError",
    "VerificationError",
]


class ExportError(Exception):
    """Base of all errors raised on purpose by this package."""

    def __init__(self, message: str, notes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.notes = list(notes)

    def __str__(self) -> str:
        return "\n  ".join([self.message, *self.notes])


class ArchiveError(ExportError):
    """A file that is damaged, truncated or of a version that is not supported."""


class NotTorchScriptError(ArchiveError):
    """A readable file that holds something other than a TorchScript module."""


class ScriptError(ExportError):
    """Archive code that is not TorchScript as `torch.jit.save` writes it."""


class ConversionError(ExportError):
    """A program, or a part of one, that has no exact ONNX counterpart."""


class UnsupportedOperatorError(ConversionError):
    """Operators of the model for which no symbolic is registered."""


class UnsupportedError(ConversionError):
    """One argument, dtype or construct that an operator can't convert exactly."""


class RaisedError(ConversionError):
    """The program raises on a path that is certainly taken: by `raise`, or an index out of range.

    Where the path is one branch of an `If`, that branch is dropped and the other one taken.
    `reason` is what PyTorch would say, in our words.
    """

    def __init__(self, reason: str, notes: tuple[str, ...] = ()) -> None:
        super().__init__(f"the program raises: {reason}", notes)
        self.reason = reason


class InputError(ExportError):
    """Arguments of the export that do not fit the model's signature."""


class VerificationError(ExportError):
    """The ONNX model and its reference disagree."""

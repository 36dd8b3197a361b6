"""Says what a file is when it is not a TorchScript archive, and what to do about it.

Each function returns the rest of a sentence that begins with the file's name.
"""

from __future__ import annotations

import pickletools
from collections.abc import Iterable

from exporter.archive.records import Records

__all__ = ["SCRIPT_IT", "describe_content", "describe_records", "first_class"]

SCRIPT_IT = (
    "save the model with torch.jit.script(model).save(...) "
    "or torch.jit.trace(model, args).save(...)"
)
_LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_PICKLE_SCAN = 4096
_MAGICS: list[tuple[int, bytes, str]] = [
    (
        0,
        b"PTMF",
        "a TorchScript mobile file in flatbuffer format, which holds bytecode and no program",
    ),
    (
        4,
        b"PTMF",
        "a TorchScript mobile file in flatbuffer format, which holds bytecode and no program",
    ),
    (4, b"ET12", "an ExecuTorch program"),
    (4, b"TFL3", "a TensorFlow Lite model"),
    (0, b"GGUF", "a GGUF file of weights"),
    (0, b"\x89HDF\r\n", "an HDF5 file (Keras weights, for instance)"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"\x1f\x8b", "gzip-compressed; unpack it first"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (0, b"\x28\xb5\x2f\xfd", "compressed with zstd; unpack it first"),
    (0, b"BZh", "compressed with bzip2; unpack it first"),
    (0, b"\xfd7zXZ", "compressed with xz; unpack it first"),
    (257, b"ustar", "a tar archive; unpack it first"),
]


def describe_content(content: memoryview) -> str:
    """Say what a file is that is not a zip file."""
    head = bytes(content[:_PICKLE_SCAN])
    if not head:
        return "is empty"
    if head.startswith(_LEGACY_MAGIC):
        return (
            "was saved by torch.save in the format of PyTorch before 1.6 and holds no program; "
            f"load it in PyTorch and {SCRIPT_IT}"
        )
    for offset, magic, what in _MAGICS:
        if head[offset : offset + len(magic)] == magic:
            return f"is {what}"
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        return f"is a Python pickle, not a TorchScript archive; load it in PyTorch and {SCRIPT_IT}"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= len(content):
        return (
            "is a safetensors file: it holds tensors but no program; load them into their module "
            f"and {SCRIPT_IT}"
        )
    if _is_onnx(head):
        return "is an ONNX model already"
    if head.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`"
    if head.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html")):
        return "is a web page, not a model; the download went wrong"
    if _is_text(head):
        return f"is a text file, not a TorchScript archive; {SCRIPT_IT}"
    return f"is not a TorchScript archive, nor a file of any known kind; {SCRIPT_IT}"


def describe_records(records: Records) -> str | None:
    """Say what a zip file is, None if it is a TorchScript archive."""
    names = set(records)
    if "data.pkl" in names and "constants.pkl" in names and not records.outside:
        return None
    if "model.json" in names and "archive_format" not in names and "version" in names:
        return (
            "is an archive from before PyTorch 1.4 (model.json); load it with torch.jit.load in "
            "PyTorch and save it again"
        )
    if names & {"serialized_exported_program.json", "archive_format"} or any(
        name.startswith("models/") and name.endswith(".json") for name in names
    ):
        return (
            "is a torch.export program (.pt2), not TorchScript; use "
            f"torch.onnx.export(..., dynamo=True) on it, or {SCRIPT_IT}"
        )
    if "data.pkl" in names and not records.outside:
        return _describe_saved(records)
    if any(name.endswith(".npy") for name in [*names, *records.outside]):
        return "is a NumPy .npz file, not a TorchScript archive"
    return f"is a zip file, but not a TorchScript archive: it has no data.pkl; {SCRIPT_IT}"


def first_class(records: Records, name: str) -> str:
    """The class of what a pickle holds; an empty text if it is of none."""
    names = iter(_globals(bytes(records.read(name)[:_PICKLE_SCAN])))
    return ".".join(next(names, ("", ""))).strip(".")


def _describe_saved(records: Records) -> str:
    """Say what `torch.save` wrote: the first name in its pickle tells."""
    for module, name in _globals(bytes(records.read("data.pkl")[:_PICKLE_SCAN])):
        if module.split(".")[0] in ("collections", "torch") and not module.startswith(
            "torch.nn.modules"
        ):
            break
        return (
            f"is a Python object of class {module}.{name} saved by torch.save: its program is "
            f"Python code that is not in the file; load it in PyTorch and {SCRIPT_IT}"
        )
    return (
        "is a state dict (or other data) saved by torch.save: it holds tensors but no program; "
        f"load it into its module and {SCRIPT_IT}"
    )


def _globals(pickled: bytes) -> Iterable[tuple[str, str]]:
    """List the names that a pickle (or its beginning) asks for; nothing is loaded."""
    texts: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(pickled):
            if opcode.name in ("GLOBAL", "INST"):
                module, _, name = str(argument).partition(" ")
                yield module, name
            elif opcode.name == "STACK_GLOBAL" and len(texts) >= 2:
                yield texts[-2], texts[-1]
            elif "UNICODE" in opcode.name:
                texts.append(str(argument))
    except (ValueError, IndexError):
        return


def _is_onnx(head: bytes) -> bool:
    """Tell by the first fields of a ModelProto: IR version, then producer, opsets or graph."""
    return (
        head[:1] == b"\x08"
        and 0 < head[1] < 32
        and head[2:3] in (b"\x12", b"\x3a", b"\x42", b"\x1a")
    )


def _is_text(head: bytes) -> bool:
    try:
        # The last character may be cut in two.
        text = head.decode("utf-8", "strict" if len(head) < _PICKLE_SCAN else "ignore")
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character in "\r\n\t\f" for character in text)

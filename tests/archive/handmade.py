"""Archives and pickles made by hand, for tests that run without PyTorch."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile

HEADER = b"\x80\x02"


def text(value: str) -> bytes:
    """A string, as the C++ pickler writes it."""
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def integer(value: int) -> bytes:
    """An int of up to 64 bits."""
    return b"\x8a\x08" + value.to_bytes(8, "little", signed=True)


def name(module: str, attribute: str) -> bytes:
    return b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"


def tuple_of(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def module(class_name: str = "M", **attributes: bytes) -> bytes:
    """A script object with its attributes."""
    items = b"".join(text(key) + value for key, value in attributes.items())
    return name("__torch__", class_name) + b")\x81}(" + items + b"ub"


def tensor(
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    *,
    storage: str = "FloatStorage",
    key: str = "0",
    elements: int = 6,
    offset: int = 0,
    device: str = "cpu",
) -> bytes:
    place = tuple_of(
        text("storage"), name("torch", storage), text(key), text(device), integer(elements)
    )
    return (
        name("torch._utils", "_rebuild_tensor_v2")
        + tuple_of(
            place + b"Q",
            integer(offset),
            tuple_of(*map(integer, shape)),
            tuple_of(*map(integer, strides)),
            b"\x89",
            name("collections", "OrderedDict") + b")R",
        )
        + b"R"
    )


def records(data: bytes | None = None, **changed: bytes | None) -> dict[str, bytes]:
    """The records of a small archive; `data` is what follows the header of data.pkl."""
    made: dict[str, bytes | None] = {
        "data.pkl": HEADER + (module(training=b"\x88") if data is None else data) + b".",
        "code/__torch__.py": b"class M(Module):\n  __parameters__ = []\n  training : bool\n",
        "constants.pkl": HEADER + b").",
        "version": b"3\n",
        **changed,
    }
    return {key: value for key, value in made.items() if value is not None}


def zipped(
    contents: dict[str, bytes],
    folder: str = "archive/",
    compression: int = zipfile.ZIP_STORED,
) -> bytes:
    """A zip file of the records."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for record, data in contents.items():
            file.writestr(folder + record, data)
    return buffer.getvalue()


def archive(data: bytes | None = None, **changed: bytes | None) -> bytes:
    """A small archive as bytes."""
    return zipped(records(data, **changed))


class Hostile:
    """Pickles as a call of os.system."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os  # noqa: PLC0415  here, so that the module's name in the pickle is looked up as usual

        return os.system, ("touch executed",)


def hostile_pickle(protocol: int) -> bytes:
    return pickle.dumps(Hostile(), protocol)


def check_one_line(error: Exception) -> None:
    """Hold an error to the promise that it is one line."""
    assert len(str(error).splitlines()) == 1

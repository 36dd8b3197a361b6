"""Reads the pickles of an archive, and nothing but what TorchScript writes into them.

An archive is untrusted input, so `pickle` is out of the question: even with a restricted
`find_class` its BUILD opcode sets attributes on whatever is on the stack, its memo grows to any
index that the data names, and hashing a deeply nested key overflows the C stack. This is an
interpreter of the opcodes that PyTorch's C++ pickler emits. It knows a fixed list of names, each of
which makes one inert value; every other opcode or name is an error.

What the data describes takes memory in proportion to the data, and `nesting` checks
the result, so that whoever walks it comes to an end.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

from exporter.archive.dtypes import StorageType
from exporter.archive.globals import Function, TypeName, known_global
from exporter.archive.nesting import check_value
from exporter.archive.values import EnumMember, ScriptObject, Storage, TensorData
from exporter.errors import ArchiveError

__all__ = ["unpickle"]

_KEY_TYPES = frozenset({str, int, float, bool, complex, TensorData})
"""Types that TorchScript's dicts have as keys; all are quick to hash, tensors by identity."""
_INT32 = struct.Struct("<i")
_UINT32 = struct.Struct("<I")
_UINT16 = struct.Struct("<H")
_DOUBLE = struct.Struct(">d")

StorageOpener = Callable[[StorageType, str, str, int], Storage]
"""(type, key, device, number of elements) to the storage: resolves persistent ids."""


def unpickle(data: memoryview, name: str, open_storage: StorageOpener | None = None) -> object:
    """Return the value that the pickle `data` describes; `name` is what errors call it."""
    value = _Unpickler(bytes(data), name, open_storage).run()
    check_value(value, name)
    return value


class _Unpickler:
    """The stack machine. Each opcode is a method; what follows a MARK lies in its own list."""

    def __init__(self, data: bytes, name: str, open_storage: StorageOpener | None) -> None:
        self.data = data
        self.name = name
        self.open_storage = open_storage
        self.position = 0
        self.stack: list[object] = []
        self.below: list[list[object]] = []
        self.memo: dict[int, object] = {}
        # Dicts that are values; the dict of an object's attributes is the one without a type tag.
        self.tagged: dict[int, object] = {}
        self.opcode_at = 0

    def run(self) -> object:
        """Execute up to STOP."""
        data = self.data
        table = _OPCODES
        try:
            while True:
                self.opcode_at = self.position
                opcode = data[self.position]
                self.position += 1
                if opcode == 0x2E:  # STOP
                    value = self.stack.pop()
                    if self.stack or self.below:
                        raise self.damaged("values are left over at its end")
                    return value
                step = table[opcode]
                if step is None:
                    raise self.damaged(f"TorchScript writes no opcode 0x{opcode:02x}")
                step(self)
        except (IndexError, struct.error):
            raise self.damaged("it ends too early or takes a value that is not there") from None
        except KeyError as error:
            raise self.damaged(f"it refers to an entry {error} that is not there") from None
        except UnicodeDecodeError:
            raise self.damaged("a text is not UTF-8") from None

    def damaged(self, why: str) -> ArchiveError:
        """Make the error for a pickle that is not as TorchScript writes it."""
        return ArchiveError(f"{self.name} is damaged: {why} (at byte {self.opcode_at})")

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes of the pickle."""
        start = self.position
        end = start + count
        if count < 0 or end > len(self.data):
            raise self.damaged("it ends too early")
        self.position = end
        return self.data[start:end]

    def line(self) -> str:
        end = self.data.find(b"\n", self.position)
        if end < 0:
            raise self.damaged("it ends too early")
        return self.take(end + 1 - self.position)[:-1].decode("utf-8")

    def pop_mark(self) -> list[object]:
        items = self.stack
        self.stack = self.below.pop()
        return items

    # Constants.

    def proto(self) -> None:
        self.position += 1

    def frame(self) -> None:
        self.position += 8

    def none(self) -> None:
        self.stack.append(None)

    def true(self) -> None:
        self.stack.append(True)

    def false(self) -> None:
        self.stack.append(False)

    def int8(self) -> None:
        self.stack.append(self.data[self.position])
        self.position += 1

    def int16(self) -> None:
        self.stack.append(_UINT16.unpack(self.take(2))[0])

    def int32(self) -> None:
        self.stack.append(_INT32.unpack(self.take(4))[0])

    def long1(self) -> None:
        size = self.take(1)[0]
        if size > 8:
            raise self.damaged("an int has more than 64 bits")
        self.stack.append(int.from_bytes(self.take(size), "little", signed=True))

    def double(self) -> None:
        self.stack.append(_DOUBLE.unpack(self.take(8))[0])

    def text(self) -> None:
        size = _UINT32.unpack(self.take(4))[0]
        # As Python's own pickles and PyTorch's: lone surrogates pass.
        self.stack.append(str(self.take(size), "utf-8", "surrogatepass"))

    def short_text(self) -> None:
        size = self.take(1)[0]
        self.stack.append(str(self.take(size), "utf-8", "surrogatepass"))

    # Containers.

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def empty_tuple(self) -> None:
        self.stack.append(())

    def empty_list(self) -> None:
        self.stack.append([])

    def empty_dict(self) -> None:
        self.stack.append({})

    def tuple_marked(self) -> None:
        items = self.pop_mark()
        self.stack.append(tuple(items))

    def tuple1(self) -> None:
        self.stack[-1] = (self.stack[-1],)

    def tuple2(self) -> None:
        self.stack[-2:] = [(self.stack[-2], self.stack[-1])]

    def tuple3(self) -> None:
        self.stack[-3:] = [(self.stack[-3], self.stack[-2], self.stack[-1])]

    def list_marked(self) -> None:
        items = self.pop_mark()
        self.stack.append(items)

    def append(self) -> None:
        self.extend([self.stack.pop()])

    def appends(self) -> None:
        self.extend(self.pop_mark())

    def extend(self, items: Iterable[object]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise self.damaged("it appends to something that is not a list")
        target.extend(items)

    def setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.update([key, value])

    def setitems(self) -> None:
        self.update(self.pop_mark())

    def update(self, items: list[object]) -> None:
        target = self.stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise self.damaged("it sets items of something that is not a dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in _KEY_TYPES:
                raise self.damaged(f"a dict key is of type {type(key).__name__}")
            target[key] = value

    # The memo.

    def get8(self) -> None:
        self.stack.append(self.memo[self.data[self.position]])
        self.position += 1

    def get32(self) -> None:
        self.stack.append(self.memo[_UINT32.unpack(self.take(4))[0]])

    def put8(self) -> None:
        self.memo[self.data[self.position]] = self.stack[-1]
        self.position += 1

    def put32(self) -> None:
        self.memo[_UINT32.unpack(self.take(4))[0]] = self.stack[-1]

    def memoize(self) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    # Names, and what is made with them.

    def global_(self) -> None:
        module = self.line()
        self.stack.append(known_global(module, self.line(), self.name))

    def stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise self.damaged("a name is not text")
        self.stack.append(known_global(module, name, self.name))

    def persistent_id(self) -> None:
        match self.stack.pop():
            case ("storage", StorageType() as kind, str(key), str(device), int(elements)) if (
                self.open_storage is not None and elements >= 0
            ):
                self.stack.append(self.open_storage(kind, key, device, elements))
            case _:
                raise self.damaged("a storage is not described as TorchScript does")

    def new_object(self) -> None:
        arguments, kind = self.stack.pop(), self.stack.pop()
        if not isinstance(kind, TypeName) or arguments != ():
            raise self.damaged("it makes an object of something that is not a class")
        self.stack.append(ScriptObject(kind.name))

    def reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if isinstance(function, TypeName):
            # The C++ pickler gives an enum's value bare; Python's would wrap it in a tuple.
            self.stack.append(EnumMember(function.name, arguments))
            return
        if not isinstance(function, Function) or not isinstance(arguments, tuple):
            raise self.damaged("it calls something that is not a TorchScript function")
        try:
            value = function.build(arguments)
        except (TypeError, ValueError) as error:
            raise self.damaged(f"{function.name} does not get what it takes ({error})") from None
        if function.name == "torch.jit._pickle.restore_type_tag" and isinstance(value, dict):
            self.tagged[id(value)] = value
        self.stack.append(value)

    def build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if not isinstance(target, ScriptObject) or target.attributes or target.has_state:
            raise self.damaged("it sets the state of something that is not a new object")
        # A dict that `__getstate__` returned carries a type tag; the attributes' own dict does not.
        if type(state) is dict and id(state) not in self.tagged:
            if not all(isinstance(key, str) for key in state):
                raise self.damaged("an attribute's name is not text")
            target.attributes = state
        else:
            target.state = state
            target.has_state = True


_OPCODES: list[Callable[[_Unpickler], None] | None] = [None] * 256
"""What each opcode does. All that PyTorch writes, and those that Python's protocol 4 has for the
same things, so that a hand-made file is refused for what it asks for."""

for _opcode, _step in {
    b"\x80": _Unpickler.proto,
    b"\x95": _Unpickler.frame,
    b"N": _Unpickler.none,
    b"\x88": _Unpickler.true,
    b"\x89": _Unpickler.false,
    b"K": _Unpickler.int8,
    b"M": _Unpickler.int16,
    b"J": _Unpickler.int32,
    b"\x8a": _Unpickler.long1,
    b"G": _Unpickler.double,
    b"X": _Unpickler.text,
    b"\x8c": _Unpickler.short_text,
    b"(": _Unpickler.mark,
    b")": _Unpickler.empty_tuple,
    b"]": _Unpickler.empty_list,
    b"}": _Unpickler.empty_dict,
    b"t": _Unpickler.tuple_marked,
    b"\x85": _Unpickler.tuple1,
    b"\x86": _Unpickler.tuple2,
    b"\x87": _Unpickler.tuple3,
    b"l": _Unpickler.list_marked,
    b"a": _Unpickler.append,
    b"e": _Unpickler.appends,
    b"s": _Unpickler.setitem,
    b"u": _Unpickler.setitems,
    b"h": _Unpickler.get8,
    b"j": _Unpickler.get32,
    b"q": _Unpickler.put8,
    b"r": _Unpickler.put32,
    b"\x94": _Unpickler.memoize,
    b"c": _Unpickler.global_,
    b"\x93": _Unpickler.stack_global,
    b"Q": _Unpickler.persistent_id,
    b"\x81": _Unpickler.new_object,
    b"R": _Unpickler.reduce,
    b"b": _Unpickler.build,
}.items():
    _OPCODES[_opcode[0]] = _step

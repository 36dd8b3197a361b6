"""The code of an archive: classes and functions by qualified name, parsed when first asked for."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType

from exporter.archive import EnumMember
from exporter.errors import ScriptError
from exporter.torchscript.annotations import annotation, dotted_name
from exporter.torchscript.graph import MISSING, ClassType, Function, Parameter
from exporter.torchscript.literals import literal
from exporter.torchscript.lowering import lower
from exporter.torchscript.record import CodeRecord, SourceRanges
from exporter.torchscript.types import AnyType, ClassRef, Type

__all__ = ["Program"]

_KINDS = {
    "Module": "module",
    "NamedTuple": "namedtuple",
    "Enum": "enum",
    "ModuleInterface": "interface",
    "Interface": "interface",
}


class Program:
    """All code records of an archive.

    `code` maps a module's dotted name, such as `__torch__.programs`, to its source. A record is
    parsed at the first question about one of its names, a body lowered at the first use of its
    graph: an archive's methods that nobody calls cost nothing. Syntax trees are let go once they
    are read, for they are many small objects. `floats` are the integers of the code that are to be
    read as floats. `classes` are some that need no reading.
    """

    def __init__(
        self,
        code: Mapping[str, str],
        constants: Sequence[object] = (),
        source_ranges: Callable[[str], SourceRanges | None] | None = None,
        floats: Collection[int] = (),
        classes: Mapping[str, ClassType] = MappingProxyType({}),
    ) -> None:
        self.constants = constants
        self._code = code
        self._source_ranges = source_ranges
        self._floats = floats
        self._definitions: dict[str, dict[str, tuple[CodeRecord, ast.stmt]]] = {}
        self._classes = dict(classes)
        self._functions: dict[str, Function] = {}

    def has_class(self, qualified: str) -> bool:
        """Whether the archive defines a class of this name."""
        found = self._find(qualified)
        is_class = found is not None and isinstance(found[1], ast.ClassDef)
        return is_class or qualified in self._classes

    def has_function(self, qualified: str) -> bool:
        """Whether the archive defines a free function of this name."""
        found = self._find(qualified)
        is_function = found is not None and isinstance(found[1], ast.FunctionDef)
        return is_function or qualified in self._functions

    def is_enum(self, qualified: str) -> bool:
        """Whether the archive defines an enum of this name."""
        return self.has_class(qualified) and self.class_type(qualified).kind == "enum"

    def class_type(self, qualified: str) -> ClassType:
        """The class of this name."""
        if qualified not in self._classes:
            found = self._find(qualified)
            if found is None or not isinstance(found[1], ast.ClassDef):
                raise ScriptError(self._missing("class", qualified))
            self._classes[qualified] = self._read_class(qualified, found[0], found[1])
            self._forget(qualified)
        return self._classes[qualified]

    def function(self, qualified: str) -> Function:
        """The free function of this name."""
        if qualified not in self._functions:
            found = self._find(qualified)
            if found is None or not isinstance(found[1], ast.FunctionDef):
                raise ScriptError(self._missing("function", qualified))
            self._functions[qualified] = self._read_function(qualified, found[0], found[1])
            self._forget(qualified)
        return self._functions[qualified]

    def method(self, class_name: str, method_name: str) -> Function:
        """A method of a class."""
        methods = self.class_type(class_name).methods
        if method_name not in methods:
            raise ScriptError(
                f"{class_name} has no method {method_name!r} in the archive",
                (f"it has: {', '.join(methods) or 'none'}",),
            )
        return methods[method_name]

    def _missing(self, what: str, qualified: str) -> str:
        module = qualified.rpartition(".")[0]
        if module not in self._code:
            return f"the archive has no {what} {qualified}: there is no code record {module}"
        return f"the archive has no {what} {qualified}: code record {module} does not define it"

    def _find(self, qualified: str) -> tuple[CodeRecord, ast.stmt] | None:
        """The syntax tree of a class or function that has not been read yet."""
        module, _, name = qualified.rpartition(".")
        definitions = self._definitions.get(module)
        if definitions is None:
            if module not in self._code:
                return None
            record = CodeRecord(module, self._code[module], self._source_ranges, self._floats)
            definitions = {
                statement.name: (record, statement)
                for statement in record.parse().body
                if isinstance(statement, (ast.ClassDef, ast.FunctionDef))
            }
            self._definitions[module] = definitions
        return definitions.get(name)

    def _forget(self, qualified: str) -> None:
        """Let the syntax tree go; methods keep their own until they are lowered."""
        module, _, name = qualified.rpartition(".")
        del self._definitions[module][name]

    def _read_class(self, name: str, record: CodeRecord, definition: ast.ClassDef) -> ClassType:
        base = dotted_name(definition.bases[0]) if definition.bases else None
        kind = _KINDS.get(base or "", "class")
        result = ClassType(name, kind)
        for statement in definition.body:
            if isinstance(statement, ast.FunctionDef):
                result.methods[statement.name] = self._read_function(
                    f"{name}.{statement.name}", record, statement, owner=name
                )
            elif isinstance(statement, ast.AnnAssign):
                self._read_attribute(result, statement)
            elif isinstance(statement, ast.Assign):
                self._read_assignment(result, statement)
        return result

    def _read_attribute(self, result: ClassType, statement: ast.AnnAssign) -> None:
        """`name : Type`, `name : Type = default` of a named tuple, `name : Final[Type] = value`."""
        if not isinstance(statement.target, ast.Name):
            raise ScriptError(f"{result.name}: unexpected {ast.unparse(statement)}")
        name = statement.target.id
        result.attributes[name] = annotation(statement.annotation)
        if statement.value is not None:
            values = result.defaults if result.kind == "namedtuple" else result.constants
            values[name] = literal(statement.value, self.constants)

    def _read_assignment(self, result: ClassType, statement: ast.Assign) -> None:
        """`__parameters__ = [...]`, `__annotations__["0"] = Type`, `RED = 1` of an enum."""
        target = statement.targets[0]
        if isinstance(target, ast.Subscript):
            if dotted_name(target.value) == "__annotations__":
                key = str(literal(target.slice, self.constants))
                result.attributes[key] = annotation(statement.value)
                return
        elif isinstance(target, ast.Name):
            if result.kind == "enum":
                result.members[target.id] = literal(statement.value, self.constants)
                return
            lists = {
                "__parameters__": result.parameters,
                "__buffers__": result.buffers,
                "__forward_hooks__": result.forward_hooks,
                "__forward_pre_hooks__": result.forward_pre_hooks,
            }
            if target.id in lists:
                names = literal(statement.value, self.constants)
                if isinstance(names, list):
                    lists[target.id].extend(map(str, names))
                return
            if target.id == "__annotations__":
                return
        raise ScriptError(f"{result.name}: unexpected {ast.unparse(statement)}")

    def _read_function(
        self, name: str, record: CodeRecord, definition: ast.FunctionDef, owner: str | None = None
    ) -> Function:
        arguments = definition.args
        names = [*arguments.posonlyargs, *arguments.args]
        defaults = [None] * (len(names) - len(arguments.defaults)) + list(arguments.defaults)
        pairs = [
            *zip(names, defaults, strict=True),
            *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
        ]
        parameters = [
            Parameter(
                argument.arg,
                self._parameter_type(argument, owner if index == 0 else None),
                MISSING if default is None else self._default(default),
            )
            for index, (argument, default) in enumerate(pairs)
        ]
        returns = annotation(definition.returns) if definition.returns is not None else AnyType()
        return Function(
            name, parameters, returns, lambda function: lower(self, function, record, definition)
        )

    def _default(self, expression: ast.expr) -> object:
        """A default argument: a literal, or a member of an enum."""
        owner, _, member = (dotted_name(expression) or "").rpartition(".")
        if owner.startswith("__torch__.") and self.is_enum(owner):
            return EnumMember(owner, self.class_type(owner).members[member])
        return literal(expression, self.constants)

    @staticmethod
    def _parameter_type(argument: ast.arg, owner: str | None) -> Type:
        """The declared type. An interface's methods leave out that of `self`."""
        if argument.annotation is not None:
            return annotation(argument.annotation)
        return ClassRef(owner) if owner is not None else AnyType()

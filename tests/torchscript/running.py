"""Runs the IR with PyTorch's own operators, so that lowering can be tested by its results."""

from __future__ import annotations

import io
import operator
import zipfile

import torch

from exporter.archive import open_archive
from exporter.torchscript import MISSING, Program
from exporter.torchscript.types import (
    BoolType,
    FloatType,
    IntType,
    ListType,
    NoneType_,
    StrType,
    TensorType,
    Type,
)


def saved_code(module: torch.jit.ScriptModule) -> dict[str, str]:
    """The code records that `torch.jit.save` writes."""
    buffer = io.BytesIO()
    torch.jit.save(module, buffer)
    with zipfile.ZipFile(buffer) as archive:
        return {
            name.partition("/code/")[2][:-3].replace("/", "."): archive.read(name).decode()
            for name in archive.namelist()
            if "/code/" in name and name.endswith(".py")
        }


def saved_program(module) -> tuple[Program, str]:
    """The program in a saved module and the qualified name of the module's class."""
    buffer = io.BytesIO()
    torch.jit.save(module, buffer)
    archive = open_archive(buffer.getvalue())
    program = Program(archive.code, archive.constants, archive.source_ranges)
    return program, archive.root.type_name


def lowered(function_or_module):
    """The forward method of a function or module, scripted and saved."""
    program, name = saved_program(torch.jit.script(function_or_module))
    return program.method(name, "forward")


# By their names alone, PyTorch would run these on tensors made of the numbers.
ON_SCALARS = {
    "aten::add": operator.add,
    "aten::sub": operator.sub,
    "aten::mul": operator.mul,
    "aten::remainder": operator.mod,
    "aten::lt": operator.lt,
    "aten::gt": operator.gt,
    "aten::eq": operator.eq,
    "aten::ne": operator.ne,
    "aten::__and__": operator.and_,
    "aten::__not__": operator.not_,
}


class ScriptObjectValue:
    """An object of a script class while the IR runs."""

    def __init__(self, type_name: str) -> None:
        self.type_name = type_name
        self.attributes = {}


class Raised(Exception):
    """The program raised."""


class Runner:
    """Interprets graphs. Modules are live PyTorch modules."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def call(self, function, *arguments, **keywords):
        bound = list(arguments)
        for parameter in function.parameters[len(bound) :]:
            if parameter.name in keywords:
                bound.append(keywords[parameter.name])
            else:
                assert parameter.default is not MISSING, f"{function.name}: {parameter.name}"
                bound.append(parameter.default)
        block = function.graph.block
        values = dict(zip(block.inputs, bound, strict=True))
        (result,) = self.block(block, values)
        return result

    def block(self, block, values):
        for node in block.nodes:
            inputs = [values[value] for value in node.inputs]
            results = self.node(node, inputs, values)
            if node.outputs:
                if len(node.outputs) == 1 and node.kind not in ("prim::If", "prim::Loop"):
                    results = results if node.kind == "prim::TupleUnpack" else [results]
                for output, result in zip(node.outputs, results, strict=True):
                    values[output] = result
        return [values[value] for value in block.outputs]

    def node(self, node, inputs, values):
        name = node.attributes.get("name")
        count = len(node.keywords)
        positional = inputs[: len(inputs) - count]
        keywords = dict(zip(node.keywords, inputs[len(inputs) - count :], strict=True))
        match node.kind:
            case "prim::Constant":
                return node.attributes["value"]
            case "prim::If":
                return self.block(node.blocks[not inputs[0]], dict(values))
            case "prim::Loop":
                return self.loop(node, inputs, values)
            case "prim::GetAttr":
                return self.get_attribute(inputs[0], name)
            case "prim::SetAttr":
                target = inputs[0]
                if isinstance(target, ScriptObjectValue):
                    target.attributes[name] = inputs[1]
                else:
                    setattr(target, name, inputs[1])
            case "prim::CallMethod":
                return self.call_method(name, positional, keywords)
            case "prim::CallFunction":
                return self.call(self.program.function(name), *positional, **keywords)
            case "prim::CreateObject":
                return ScriptObjectValue(name)
            case "prim::NamedTupleConstruct":
                fields = self.program.class_type(name).attributes
                return dict(zip(fields, inputs, strict=True))
            case "prim::EnumMember":
                return (name, node.attributes["member"])
            case "prim::TupleConstruct":
                return tuple(inputs)
            case "prim::ListConstruct":
                return list(inputs)
            case "prim::DictConstruct":
                return dict(zip(inputs[::2], inputs[1::2], strict=True))
            case "prim::TupleUnpack":
                return list(inputs[0].values() if isinstance(inputs[0], dict) else inputs[0])
            case "aten::__getitem__":
                return inputs[0][inputs[1]]
            case "prim::Uninitialized":
                return None
            case "prim::unchecked_cast" | "prim::annotate":
                return inputs[0]
            case "prim::isinstance":
                return any(is_instance(inputs[0], choice) for choice in node.attributes["types"])
            case "prim::RaiseException":
                raise Raised(inputs[0])
            case "prim::fork":
                return self.block(node.blocks[0], dict(values))[0]
            case "aten::wait":
                return inputs[0]
            case "prim::tolist":
                return inputs[0].tolist()
            case "prim::Print" | "aten::warn":
                return None
            case "prim::Enter":
                return self.call_method("__enter__", inputs, {})
            case "prim::Exit":
                return self.call_method("__exit__", [*inputs, None, None, None], {})
            case "aten::_set_item":
                inputs[0][inputs[1]] = inputs[2]
                return inputs[0]
            case "aten::append":
                inputs[0].append(inputs[1])
                return inputs[0]
            case "aten::Delete":
                del inputs[0][inputs[1]]
            case "aten::keys" | "aten::values" | "aten::items":
                return list(getattr(inputs[0], node.kind[6:])())
            case "aten::__is__":
                return inputs[0] is inputs[1]
            case "aten::__isnot__":
                return inputs[0] is not inputs[1]
            case "aten::__contains__":
                return inputs[1] in inputs[0]
            case "aten::len":
                return len(inputs[0])
            case "aten::slice" if not isinstance(inputs[0], torch.Tensor):
                start, end, step = [*inputs[1:], None, None, None][:3]
                return inputs[0][start:end:step]
            case "aten::format":
                return inputs[0].format(*inputs[1:])
            case "aten::str":
                return str(inputs[0])
            case "aten::tensor":
                return torch.tensor(*positional, **keywords)
            case "aten::Bool":
                return bool(inputs[0])
            case "prim::dtype":
                return inputs[0].dtype
            case "prim::device":
                return inputs[0].device
            case _ if node.kind in ON_SCALARS and not any(
                isinstance(value, torch.Tensor) for value in inputs
            ):
                return ON_SCALARS[node.kind](*inputs)
            case _:
                operation, _ = torch._C._jit_get_operation(node.kind)
                return operation(*positional, **keywords)
        return None

    def loop(self, node, inputs, values):
        trips, goes_on, *carried = inputs
        body = node.blocks[0]
        trip = 0
        while goes_on and trip < trips:
            inner = dict(values)
            inner.update(zip(body.inputs, [trip, *carried], strict=True))
            goes_on, *carried = self.block(body, inner)
            trip += 1
        return carried

    def call_method(self, name, arguments, keywords):
        target = arguments[0]
        if isinstance(target, ScriptObjectValue):
            type_name = target.type_name
        else:
            type_name = target._c._type().qualified_name()
        return self.call(self.program.method(type_name, name), *arguments, **keywords)

    def get_attribute(self, target, name):
        if isinstance(target, ScriptObjectValue):
            return target.attributes[name]
        if isinstance(target, dict):
            return target[name]
        return getattr(target, name)


def is_instance(value, declared: Type) -> bool:
    match declared:
        case ListType(element):
            return isinstance(value, list) and all(is_instance(part, element) for part in value)
    classes = {
        TensorType(): torch.Tensor,
        IntType(): int,
        FloatType(): float,
        BoolType(): bool,
        StrType(): str,
        NoneType_(): type(None),
    }
    return isinstance(value, classes[declared]) and not (
        isinstance(value, bool) and declared != BoolType()
    )

"""The opset-aware builder: `g.Add(x, 1)` becomes an ONNX node, a constant, or nothing at all.

Operators are called in their newest form. For each call the builder, in this order,

1. hands it to a lowering, where the target opset lacks the operator or its form (`lowerings`);
2. places the arguments as inputs or attributes by the target opset's schema (`signatures`);
3. turns Python numbers and lists into constants of the dtype that the operator wants;
4. goes through another dtype where this one is not legal, or has no kernel (`kernels`);
5. computes the result, where it is known (`folding`, `propagation`);
6. emits the node, with the dtypes and shapes of its outputs (`shapes`).

The lower-case methods are conveniences that decide for themselves whether a node is needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx_ir as ir

from exporter.errors import RaisedError, UnsupportedError
from exporter.onnx_graph import (  # noqa: F401
    complex_numbers,
    complex_rules,
    folding,
    kernels,
    propagation,
    quantized,
    reshaping,
    sequences,
    shapes,
    size_nodes,
)
from exporter.onnx_graph.arguments import (
    count_from_front,
    ir_attribute,
    natural_dtype,
    plain_attribute,
    reduced_from_front,
    require_one_dtype,
)
from exporter.onnx_graph.call import Branches, Call, FunctionCall
from exporter.onnx_graph.lowerings import find_lowering
from exporter.onnx_graph.node_keys import computation_key
from exporter.onnx_graph.pinned_sizes import learn_equal_sizes, pinned_sizes
from exporter.onnx_graph.scope import Scope
from exporter.onnx_graph.signatures import Signature, function_signature, place, require_dtype
from exporter.onnx_graph.size_facts import SizeFacts, learn_at_least
from exporter.onnx_graph.symbolic import Dim, Symbol, SymInt
from exporter.onnx_graph.values import Number, SymComplex, SymScalar, Tensor

__all__ = ["Builder"]

# Constants of at most this many bytes are shared by content, larger ones by identity.
SHARED_BY_CONTENT = 1024

Argument = Tensor | Number | Sequence[Any] | np.ndarray | None

# protobuf reads messages 100 deep; a body is three: node, attribute and graph.
DEEPEST = 31


class Builder:
    """Builds one ONNX model; see the module's docstring.

    `opset` is the target, `fold` whether nodes with constant inputs are computed, `module_path`
    what new nodes are named after (the interpreter sets it).
    """

    def __init__(self, opset: int = 20, *, fold: bool = True) -> None:
        self.opset = opset
        self.fold = fold
        self.scope = Scope()
        self.initializers: dict[str, ir.Value] = {}
        # The initializers that hold the model's own weights, by name.
        self.parameters: set[str] = set()
        self.domains: dict[str, int] = {}
        self.module_path = ""
        # What new nodes come from: its `source` says the place in the user's code.
        self.source: object = None
        self._names: Counter[str] = Counter()
        self._taken: set[str] = set()
        self._shared: dict[object, ir.Value] = {}
        self._symbols: set[str] = set()
        self._depth = 0
        # What each value was made by, for gradients: the call and all its results.
        self.steps: dict[ir.Value, tuple[Call | Branches, list[Tensor]]] = {}
        # Declared sizes that turned out to be fixed: where, by symbol and size.
        self.pinned: dict[tuple[SymInt, int], object] = {}
        # What each symbolic was given and gave, where anybody asks for it.
        self.calls: list[Any] | None = None
        # Keeps what is learnt of sizes, for as long as it holds.
        self.size_facts: SizeFacts | None = None

    # ------------------------------------------------------------ operators

    def __getattr__(self, op_type: str) -> Callable[..., Any]:
        if not op_type[0].isupper():
            raise AttributeError(op_type)

        def call(*args: Argument, **kwargs: Any) -> Any:
            return self.op(op_type, *args, **kwargs)

        return call

    def op(
        self, op_type: str, *args: Argument, domain: str = "", outputs: int = 1, **kwargs: Any
    ) -> Any:
        """Call an operator of any domain: a `Tensor`, or a tuple of them if `outputs` > 1."""
        for arg in args:
            if arg.__class__ is Tensor:
                if arg.quantization is not None:
                    return quantized.call(self, op_type, args, kwargs, domain, outputs)
                if complex_numbers.is_complex(arg.dtype):
                    return complex_numbers.call(self, op_type, args, kwargs, domain, outputs)
        lowering = find_lowering(op_type, self.opset) if not domain else None
        if lowering is not None:
            if outputs != 1:
                kwargs["outputs"] = outputs
            return lowering(self, *args, **kwargs)
        return self.native(op_type, *args, domain=domain, outputs=outputs, **kwargs)

    def native(
        self, op_type: str, *args: Argument, domain: str = "", outputs: int = 1, **kwargs: Any
    ) -> Any:
        """The operator as the target opset has it: `op` without lowerings, which call this."""
        if op_type.startswith(("Reduce", "Arg")):
            kwargs = reduced_from_front(self, op_type, args, kwargs)
        signature, placed = place(op_type, domain, self.opset, args, kwargs)
        inputs, outer_dtypes = self._tensors(signature, placed.inputs)
        attributes = {
            name: plain_attribute(self.opset, signature, name, value)
            for name, value in placed.attributes.items()
        }
        if self.opset < 11:
            count_from_front(op_type, inputs, attributes)
        call = Call(signature, inputs, attributes, outputs, self.opset)
        results = self._known(call)
        if results is None:
            if op_type == "Cast":
                made = signature.outputs[0].type_variable
                require_dtype(signature, made, ir.DataType(kwargs["to"]), self.opset)
            results = self._emit(call)
        detour = [
            outer_dtypes.get(p.type_variable) if i < len(signature.outputs) else None
            for i in range(outputs)
            for p in [signature.outputs[min(i, len(signature.outputs) - 1)]]
        ]
        results = [
            r if dtype is None else self.cast(r, dtype)
            for r, dtype in zip(results, detour, strict=True)
        ]
        if outer_dtypes and shapes.OutputType.of(results[0]).is_sequence:
            results = [sequences.cast(self, results[0], *outer_dtypes.values())]
        return results[0] if outputs == 1 else tuple(results)

    def _tensors(
        self, signature: Signature, args: Sequence[object]
    ) -> tuple[list[Tensor | None], dict[str, ir.DataType]]:
        """Inputs as tensors of dtypes that have a kernel, and the dtypes they had if others."""
        parameters = [signature.inputs[min(i, len(signature.inputs) - 1)] for i in range(len(args))]
        require_one_dtype(signature.op_type, args)
        bound: dict[str, ir.DataType] = {}
        first: ir.DataType | None = None
        for parameter, arg in zip(parameters, args, strict=True):
            if isinstance(arg, Tensor):
                first = first or arg.dtype
                if parameter.homogeneous:
                    bound.setdefault(parameter.type_variable, arg.dtype)
        outer: dict[str, ir.DataType] = {}
        for variable, dtype in bound.items():
            detour = kernels.detour(signature, variable, dtype, self.opset)
            if detour is not None:
                outer[variable] = dtype
                bound[variable] = detour
            else:
                require_dtype(signature, variable, dtype, self.opset)
        result: list[Tensor | None] = []
        for parameter, arg in zip(parameters, args, strict=True):
            legal = signature.dtypes[parameter.type_variable]
            wanted = bound.get(parameter.type_variable)
            if arg is None:
                result.append(None)
            elif isinstance(arg, Tensor):
                result.append(self.cast(arg, wanted) if wanted and parameter.homogeneous else arg)
            else:
                if wanted is None:
                    natural = natural_dtype(arg, legal, first)
                    variable = parameter.type_variable
                    wanted = kernels.detour(signature, variable, natural, self.opset) or natural
                    bound[variable] = wanted
                result.append(self.constant(arg, wanted))
        return result, outer

    def _known(self, call: Call) -> list[Tensor] | None:
        """The results where they are known without a node."""
        elements = propagation.propagate(call)
        if elements is not None:
            tensor = self._from_elements(*elements)
            if tensor is not None:
                return [tensor]
        if self.fold:
            arrays = folding.fold(call)
            if arrays is not None:
                name = folding.folded_name(call)
                return [self.constant(a, name=name) for a in arrays]
        return None

    def _from_elements(
        self, dtype: ir.DataType, shape: tuple[int, ...], elements: tuple[Dim, ...]
    ) -> Tensor | None:
        if dtype == ir.DataType.BOOL:
            return self.constant(np.array(elements, np.bool_).reshape(shape))
        if all(isinstance(e, int) for e in elements):
            limits = np.iinfo(dtype.numpy())
            if any(not limits.min <= e <= limits.max for e in elements):
                return None
            return self.constant(np.array(elements, dtype.numpy()).reshape(shape))
        return Tensor(dtype, shape, elements=elements)

    def _emit(self, call: Call) -> list[Tensor]:
        values = [None if t is None else self.value(t) for t in call.inputs]
        learn_equal_sizes(self, call)
        types = shapes.infer(call)
        for pinned in pinned_sizes(call):
            self.pinned.setdefault(pinned, self.source)
        results = self.emit(
            call.op_type,
            values,
            call.attributes,
            types,
            domain=call.signature.domain,
            kinds=call.signature.attributes,
        )
        for result in results:
            if result.value is not None:
                self.steps[result.value] = call, results
            result.detached = self.scope.recording[-1] is False
        return results

    def emit(
        self,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        attributes: Mapping[str, Any],
        types: Sequence[shapes.OutputType],
        *,
        domain: str = "",
        kinds: Mapping[str, ir.AttributeType] | None = None,
    ) -> list[Tensor]:
        """Append a node as it is, with outputs of these types. Unknown dims become symbols."""
        name = self.unique(f"{self.module_path}/{op_type}" if self.module_path else op_type)
        names = [name, *(f"{name}.{i}" for i in range(1, len(types)))][: len(types)]
        outputs = [ir.Value(name=self.unique(each, out=True)) for each in names]
        attrs = [ir_attribute(k, v, (kinds or {}).get(k)) for k, v in attributes.items()]
        node = ir.Node(domain, op_type, inputs, attrs, outputs=outputs, name=name)
        if self.source is not None:
            node.meta["source"] = self.source
        if domain:
            self.domains.setdefault(domain, 1)
        self.scope.nodes.append(node)
        self.scope.values.update(outputs)
        return [
            self.typed(value, output, name) for value, output in zip(outputs, types, strict=True)
        ]

    def known_as(self, function: str, result: Tensor, *inputs: Tensor | None) -> Tensor:
        """A result of several nodes, to be differentiated as that of one function.

        Its rule is registered under a name that no operator has (`derivatives/functions.py`). The
        formula may have no derivative where the function has one.
        """
        value = result.value
        if value is not None and value.producer() and result.dtype.is_floating_point():
            call = FunctionCall(function_signature(function), list(inputs), {}, 1, self.opset)
            call.made, call.result = self.steps.get(value), value
            self.steps[value] = call, [result]
            result.detached |= self.scope.recording[-1] is False
        return result

    def typed(self, value: ir.Value, output: shapes.OutputType, name: str) -> Tensor:
        """A tensor for an ONNX value; dims that are None become new symbols read from it."""
        if complex_numbers.is_complex(output.dtype):
            return complex_numbers.from_real(self.typed(value, output.pair(), name))
        tensor = Tensor(output.dtype, None, value=value, scope=self.scope)
        if output.shape is not None:
            tensor.shape = tuple(
                self.symbol(f"{name}.{i}", tensor, i) if d is None else d
                for i, d in enumerate(output.shape)
            )
        value.type = output.ir_type()
        if tensor.shape is not None and not output.is_sequence:
            value.shape = ir.Shape([d if isinstance(d, int) else str(d) for d in tensor.shape])
            for axis, dim in enumerate(tensor.shape):
                if dim.__class__ is SymInt and dim.has_functions():
                    self.scope.sizes[dim] = (tensor, axis)
        return tensor

    def assume(self, tensor: Tensor, shape: shapes.PartialShape) -> Tensor:
        """Say what is known of the shape of a node's output that its operator can't tell."""
        if tensor.shape is not None or shape is None or tensor.value is None:
            return tensor
        return self.typed(
            tensor.value, shapes.OutputType(tensor.dtype, shape), str(tensor.value.name)
        )

    def sized_as(self, tensor: Tensor, other: Tensor) -> Tensor:
        """The tensor with the dims of another one, which it has though its operator can't tell."""
        if tensor.value is None or tensor.quantization is not None or tensor.shape == other.shape:
            return tensor
        sized = self.typed(
            tensor.value, shapes.OutputType(tensor.dtype, other.shape), str(tensor.value.name)
        )
        sized.detached = tensor.detached
        return sized

    # ------------------------------------------------------------ names and symbols

    def unique(self, name: str, *, out: bool = False) -> str:
        """A name not used before, for a node or (`out`) a value."""
        key = f"out:{name}" if out else name
        self._names[key] += 1
        count = self._names[key]
        found = name if count == 1 else f"{name}_{count - 1}"
        while out and found in self._taken:
            self._names[key] += 1
            found = f"{name}_{self._names[key] - 1}"
        if out:
            self._taken.add(found)
        return found

    def symbol(
        self,
        name: str,
        source: Tensor | None = None,
        axis: int | None = None,
        *,
        lower: int | None = 0,
    ) -> SymInt:
        """A new symbol, read from dim `axis` of a tensor, or from its value where axis is None."""
        base, count = name, 1
        while name in self._symbols:
            name, count = f"{base}_{count}", count + 1
        self._symbols.add(name)
        symbol = Symbol(name, lower)
        if source is not None:
            symbol.sources.append((source, axis))
        return SymInt.of(symbol)

    def at_least(self, value: Dim, lower: int) -> None:
        """Note what holds from here on, since the program fails otherwise."""
        learn_at_least(self.size_facts, value, lower)

    def integer(self, tensor: Tensor) -> Dim:
        """The value of a 0-d (or one-element) integer tensor as a Python int or an expression."""
        if tensor.elements is not None and len(tensor.elements) == 1:
            return tensor.elements[0]
        if tensor.array is not None:
            return int(tensor.array.item())
        key = ("integer", id(tensor))
        cached = self.scope.cached(key)
        if cached is not None and cached.elements is not None:
            return cached.elements[0]
        scalar = self.cast(self.reshape(tensor, []), ir.DataType.INT64)
        # Programs ask again for what they know: int(lengths.max()) for each mask that they make.
        computation = ("integer of", computation_key(scalar.value))
        cached = self.scope.cached(computation)
        if cached is None or cached.elements is None:
            result = self.symbol("value", scalar, lower=None)
            cached = Tensor(
                ir.DataType.INT64, (), elements=(result,), value=scalar.value, scope=scalar.scope
            )
            self.scope.cache[computation] = cached
        # The cache entry holds the tensor, so that its id stays taken.
        self.scope.cache[key] = cached
        self.scope.cache[("keep", id(tensor))] = tensor
        assert cached.elements is not None
        return cached.elements[0]

    # ------------------------------------------------------------ constants

    def constant(
        self, value: object, dtype: ir.DataType | None = None, *, name: str | None = None
    ) -> Tensor:
        """A number, a (nested) list or an array as a tensor, of the given or its natural dtype.

        Ints are int64, floats float32 unless told otherwise. A list of ints may hold symbolic
        ones, and 0-d tensors. `name` is the name its initializer gets.
        """
        if isinstance(value, Tensor):
            return value if dtype is None else self.cast(value, dtype)
        if isinstance(value, SymScalar):
            real = dtype is not None and not complex_numbers.is_complex(dtype)
            if real and isinstance(value, SymComplex):
                raise UnsupportedError("a complex number of run time where a real one is wanted")
            return value.tensor if dtype is None else self.cast(value.tensor, dtype)
        if isinstance(value, SymInt):
            tensor = Tensor(ir.DataType.INT64, (), elements=(value,))
            return tensor if dtype is None else self.cast(tensor, dtype)
        if isinstance(value, (list, tuple)) and any(
            isinstance(v, (SymInt, Tensor, SymScalar)) for v in value
        ):
            return self._list(value, dtype)
        if isinstance(value, np.ndarray):
            array = value
        elif dtype is not None:
            array = folding.number_array(value, dtype)
        else:
            array = np.array(value)
            if array.dtype == np.float64:
                array = array.astype(np.float32)
            elif array.dtype == np.complex128:
                array = array.astype(np.complex64)
            elif array.size == 0 and array.ndim == 1:
                array = array.astype(np.int64)
        actual = ir.DataType.from_numpy(array.dtype)
        if dtype is not None and actual != dtype:
            array = folding.convert(array, dtype)
            actual = dtype
        elements = None
        few = array.ndim <= 1 and array.size <= propagation.MAX_ELEMENTS
        if few and actual in (ir.DataType.INT64, ir.DataType.INT32):
            elements = tuple(int(v) for v in array.reshape(-1).tolist())
        return Tensor(actual, array.shape, array=array, elements=elements, name=name)

    def _list(self, values: Sequence[Any], dtype: ir.DataType | None) -> Tensor:
        if all(isinstance(v, (int, SymInt)) for v in values):
            tensor = Tensor(ir.DataType.INT64, (len(values),), elements=tuple(values))
            return tensor if dtype is None else self.cast(tensor, dtype)
        items = [self.constant(v, dtype) for v in values]
        if dtype is None:
            dtype = next(t.dtype for t in items)
        return self.Concat(  # type: ignore[no-any-return]
            *[self.reshape(self.cast(t, dtype), [1]) for t in items], axis=0
        )

    # ------------------------------------------------------------ conveniences

    def cast(self, tensor: Tensor, dtype: ir.DataType) -> Tensor:
        """The tensor in another dtype; itself if it has that one."""
        if tensor.dtype == dtype:
            return tensor
        key = ("cast", id(tensor), dtype)
        cached = self.scope.cached(key)
        # In a branch more may be known of the tensor than where it was cast before.
        if cached is None or cached.rank != tensor.rank:
            if complex_numbers.is_complex(dtype) or complex_numbers.is_complex(tensor.dtype):
                cached = complex_numbers.cast(self, tensor, dtype)
            else:
                cached = self.Cast(tensor, to=dtype)
            self.scope.cache[key] = cached
            self.scope.cache[("keep", id(tensor))] = tensor
        return cached

    def size(self, tensor: Tensor, dim: int) -> Dim:
        """The size of a dim (negative counts from the end), an int where it is known."""
        shape = tensor.require_shape()
        if not -len(shape) <= dim < len(shape):
            raise RaisedError(f"dim {dim} is out of range for a tensor with {len(shape)} dims")
        return shape[dim]

    def shape(self, tensor: Tensor) -> Tensor:
        """The shape as a 1-D int64 tensor, also where the rank is not known."""
        if tensor.shape is not None:
            return self.constant(list(tensor.shape), ir.DataType.INT64)
        return self.Shape(tensor)  # type: ignore[no-any-return]

    def reshape(self, tensor: Tensor, shape: Sequence[Dim] | Tensor) -> Tensor:
        """The tensor in another shape: a dim may be -1 for what is left, a 0 is a true zero.

        Written with 0 (a dim kept) and at most one -1, so that it holds for all sizes.
        """
        return reshaping.reshape(self, tensor, shape)

    def scalar(self, value: Dim) -> Tensor:
        """An integer as a 0-d int64 tensor that has a value in the graph."""
        if isinstance(value, int):
            return self.constant(value, ir.DataType.INT64)
        cached = self.scope.cached(value)
        if cached is None:
            cached = size_nodes.expression(self, value)
            self.scope.cache[value] = cached
        return cached

    def value(self, tensor: Tensor) -> ir.Value:
        """The ONNX value of a tensor: its node's output, an initializer, or newly emitted."""
        if tensor.value is not None:
            return tensor.value
        if tensor.quantization is not None:
            raise UnsupportedError("a quantized tensor is no ONNX value; dequantize() it before")
        if complex_numbers.is_complex(tensor.dtype):
            return self.value(complex_numbers.as_real(tensor))
        if tensor.array is not None:
            tensor.value = self._initializer(tensor)
            return tensor.value
        assert tensor.elements is not None
        key = ("elements", tensor.dtype, tensor.shape, tensor.elements)
        cached = self.scope.cached(key)
        if cached is None:
            cached = size_nodes.materialize(self, tensor)
            self.scope.cache[key] = cached
        assert cached.value is not None
        return cached.value

    # ------------------------------------------------------------ bodies

    @contextmanager
    def body(self, name: str) -> Iterator[Scope]:
        """Emit into a new graph inside the current one."""
        if self._depth == DEEPEST:
            raise UnsupportedError(
                f"If and Loop in one another more than {DEEPEST} deep: no runtime reads such a file"
            )
        outer, path = self.scope, self.module_path
        self.scope = Scope(outer, name)
        self._depth += 1
        try:
            yield self.scope
        finally:
            self._depth -= 1
            self.scope, self.module_path = outer, path

    def body_input(self, name: str, type_: shapes.OutputType) -> tuple[ir.Value, Tensor]:
        """A new input for the body that is being emitted; dims that are None become symbols."""
        value = ir.Value(name=self.unique(name, out=True))
        return value, self.typed(value, type_, name)

    @contextmanager
    def inside(self, scope: Scope) -> Iterator[None]:
        """Emit into a scope that was opened before."""
        outer, self.scope = self.scope, scope
        try:
            yield
        finally:
            self.scope = outer

    def close(
        self, scope: Scope, inputs: Sequence[ir.Value], outputs: Sequence[Tensor]
    ) -> ir.Graph:
        """The body's graph. Outputs that are outer values, inputs or repeated go through Identity.

        Must be called while `scope` is current.
        """
        values: list[ir.Value] = []
        for tensor in outputs:
            value = self.value(tensor)
            if value in inputs or value in values or value not in scope.values:
                value = self.passed(tensor)
            values.append(value)
        return ir.Graph(
            inputs,
            values,
            nodes=scope.nodes,
            name=self.unique(scope.name),
            opset_imports={"": self.opset},
        )

    def passed(self, tensor: Tensor) -> ir.Value:
        """A value of its own, in the current graph, that is the tensor's."""
        value, type_ = self.value(tensor), shapes.OutputType.of(tensor)
        if type_.is_sequence and self.opset < 14:
            # Identity takes sequences from opset 14 on: add an item and take it away again.
            item = self.value(self.constant(np.zeros((0,), tensor.dtype.numpy())))
            value = self.emit("SequenceInsert", [value, item], {}, [type_])[0].value  # type: ignore[assignment]
            last = self.value(self.constant(-1))
            result = self.emit("SequenceErase", [value, last], {}, [type_])[0]
        else:
            result = self.emit("Identity", [value], {}, [type_])[0]
        assert result.value is not None
        return result.value

    # ------------------------------------------------------------ making values

    def _initializer(self, tensor: Tensor) -> ir.Value:
        array = tensor.array
        assert array is not None
        small = array.nbytes <= SHARED_BY_CONTENT and tensor.name is None
        if small:
            key: object = (tensor.dtype, array.shape, array.tobytes())
        else:
            key = (array.__array_interface__["data"][0], array.shape, array.strides, array.dtype)
        value = self._shared.get(key)
        if value is None:
            name = self.unique(tensor.name or "constant", out=True)
            value = ir.Value(
                name=name,
                type=ir.TensorType(tensor.dtype),
                shape=ir.Shape(array.shape),
                const_value=ir.Tensor(array, dtype=tensor.dtype, name=name),
            )
            self.initializers[name] = value
            # A slash marks what was computed from a weight.
            if tensor.name is not None and "/" not in tensor.name:
                self.parameters.add(name)
            self._shared[key] = value
        return value

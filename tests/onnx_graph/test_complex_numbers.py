"""Complex tensors in the builder: what they are in the graph, what is computed, what is refused."""

import numpy as np
import onnx_ir as ir
import pytest

from exporter.errors import UnsupportedError
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.complex_numbers import as_real, from_real, make, pairs_of, parts
from exporter.onnx_graph.shapes import OutputType
from exporter.onnx_graph.values import Tensor

D = ir.DataType
RNG = np.random.default_rng(0)


def number(*shape):
    return (RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)).astype(np.complex64)


def given(g, *shape, dtype=D.FLOAT):
    """An input of the graph."""
    value = ir.Value(name=g.unique("x", out=True))
    return g.typed(value, OutputType(dtype, shape), "x")


def test_a_constant_is_looked_at_as_pairs():
    g = Builder()
    array = number(2, 3)
    tensor = g.constant(array)
    assert (tensor.dtype, tensor.shape) == (D.COMPLEX64, (2, 3))
    pair = as_real(tensor)
    assert (pair.dtype, pair.shape) == (D.FLOAT, (2, 3, 2))
    assert np.shares_memory(pair.array, array)
    value = g.value(tensor)
    assert value.dtype == D.FLOAT
    np.testing.assert_array_equal(value.const_value.numpy(), pairs_of(array))
    assert pairs_of(np.array(1 + 2j)).tolist() == [1.0, 2.0]
    assert g.constant(1j).dtype == D.COMPLEX64


def test_values_in_the_graph_are_real():
    g = Builder()
    z = given(g, 4, 3, dtype=D.COMPLEX64)
    assert (z.dtype, z.shape) == (D.COMPLEX64, (4, 3))
    assert (z.value.dtype, list(z.value.shape)) == (D.FLOAT, [4, 3, 2])
    w = given(g, 4, None, dtype=D.COMPLEX128)
    assert w.value.dtype == D.DOUBLE
    assert as_real(w).shape[2] == 2


def test_parts_are_those_it_was_made_of():
    g = Builder()
    x, y = given(g, 2), given(g, 2)
    assert parts(g, make(g, x, y)) == (x, y)
    first = parts(g, from_real(given(g, 3, 2)))
    assert first[0].shape == (3,)
    with pytest.raises(UnsupportedError, match="complex numbers of two int64"):
        from_real(given(g, 3, 2, dtype=D.INT64))


def test_parts_taken_in_a_body_stay_there():
    g = Builder()
    z = given(g, 2, dtype=D.COMPLEX64)
    with g.body("then"):
        inside = parts(g, z)[0]
    assert parts(g, z)[0] is not inside
    assert parts(g, z)[0] is parts(g, z)[0]


CONSTANT = {
    "Transpose": (lambda g, z: g.Transpose(z, perm=[1, 0]), lambda z: z.T),
    "Reshape": (lambda g, z: g.reshape(z, [3, -1]), lambda z: z.reshape(3, -1)),
    "Gather": (lambda g, z: g.Gather(z, [0, 2], axis=-1), lambda z: z[:, [0, 2]]),
    "Slice": (lambda g, z: g.Slice(z, [1], [3], [-1]), lambda z: z[:, 1:3]),
    "Concat": (lambda g, z: g.Concat(z, z, axis=-1), lambda z: np.concatenate([z, z], -1)),
    "Unsqueeze": (lambda g, z: g.Unsqueeze(z, axes=[-1]), lambda z: z[..., None]),
    "Squeeze": (lambda g, z: g.Squeeze(g.Unsqueeze(z, axes=[0])), lambda z: z),
    "Expand": (lambda g, z: g.Expand(z, [2, 2, 3]), lambda z: np.broadcast_to(z, (2, 2, 3))),
    "Pad": (lambda g, z: g.Pad(z, [0, 1, 0, 0]), lambda z: np.pad(z, ((0, 0), (1, 0)))),
    "Where": (lambda g, z: g.Where(np.array([True, False, True]), z, 0),
              lambda z: np.where([True, False, True], z, 0)),
    "Add": (lambda g, z: g.Add(z, 2), lambda z: z + 2),
    "Mul": (lambda g, z: g.Mul(z, z), lambda z: z * z),
    "Div": (lambda g, z: g.Div(z, g.Add(z, 1j)), lambda z: z / (z + 1j)),
    "MatMul": (lambda g, z: g.MatMul(z, g.Transpose(z, perm=[1, 0])), lambda z: z @ z.T),
    "ReduceSum": (lambda g, z: g.ReduceSum(z, axes=[-1], keepdims=0), lambda z: z.sum(-1)),
    "ReduceProd": (lambda g, z: g.ReduceProd(z, axes=[1], keepdims=0), lambda z: z.prod(1)),
    "Equal": (lambda g, z: g.Equal(z, z), lambda z: z == z),
    "Cast": (lambda g, z: g.cast(z, D.COMPLEX128), lambda z: z.astype(np.complex128)),
    "to bool": (lambda g, z: g.cast(z, D.BOOL), lambda z: z != 0),
    "to float": (lambda g, z: g.cast(z, D.FLOAT), lambda z: z.real),
}  # fmt: skip


@pytest.mark.parametrize("op_type", CONSTANT)
def test_operators_of_constants_are_computed(op_type):
    function, reference = CONSTANT[op_type]
    g = Builder()
    z = number(2, 3)
    found, expected = function(g, g.constant(z)), reference(z)
    if op_type != "ReduceSum":  # the order of its additions is onnxruntime's
        assert found.array is not None
        assert found.array.dtype == expected.dtype
        np.testing.assert_allclose(found.array, expected, rtol=1e-5)
    # And the shapes of what is not known.
    assert function(g, given(g, 2, 3, dtype=D.COMPLEX64)).shape == expected.shape


def test_shapes_do_not_show_the_pairs():
    g = Builder()
    z = given(g, None, 3, dtype=D.COMPLEX64)
    assert g.Shape(z).shape == (2,)
    assert g.shape(z).elements[1] == 3
    open_rank = Tensor(D.COMPLEX64, None, value=z.value, scope=g.scope)
    assert g.Shape(open_rank).dtype == D.INT64


@pytest.mark.parametrize("op_type", ["Relu", "Floor", "Less", "TopK", "ReduceMax", "LSTM"])
def test_an_operator_without_a_rule_is_refused(op_type):
    g = Builder()
    z = given(g, 2, 3, dtype=D.COMPLEX64)
    with pytest.raises(UnsupportedError, match=f"{op_type} of complex numbers"):
        g.op(op_type, z, z)


def test_complex_numbers_do_not_become_real_in_silence():
    g = Builder()
    with pytest.raises(UnsupportedError, match="complex number"):
        g.Add(given(g, 2), 1j)
    with pytest.raises(UnsupportedError, match="of complex numbers"):
        g.ConstantOfShape([9999], value=ir.Tensor(np.array([1j], np.complex64)))

"""Inputs that are made up."""

import numpy as np
import pytest

from exporter.verification.samples import array_for, made_up_size, resized


@pytest.mark.parametrize(
    "dtype", ["float32", "float16", "bfloat16", "int64", "uint8", "bool", "complex64", "half"]
)
def test_dtype_and_shape(dtype) -> None:
    array = array_for(dtype, (3, 0, 2))
    assert array.shape == (3, 0, 2)
    array = array_for(dtype, ("batch", 4))
    assert array.dtype.name == {"half": "float16"}.get(dtype, dtype)
    assert array.shape == (made_up_size("batch"), 4)
    if array.dtype.kind in "iu":
        assert set(array.flat) <= {0, 1}
    for number in (array_for(dtype, ()), resized(array, ())):
        assert isinstance(number, np.ndarray)
        assert (number.shape, number.dtype) == ((), array.dtype)


def test_a_name_has_one_size_and_it_is_not_one() -> None:
    assert made_up_size("batch") == made_up_size("batch") > 1


def test_the_same_seed_gives_the_same_values() -> None:
    np.testing.assert_array_equal(array_for("float32", (9,), 1), array_for("float32", (9,), 1))
    assert (array_for("float32", (9,), 1) != array_for("float32", (9,), 2)).any()


def test_resized_integers_are_drawn_from_the_example() -> None:
    tokens = np.array([3, 14], np.int32)
    other = resized(tokens, (50,))
    assert other.dtype == np.int32
    assert set(other.tolist()) == {3, 14}
    assert resized(np.zeros(2, np.float16), (5, 2)).dtype == np.float16
    assert resized(np.zeros(0, np.int64), (3,)).shape == (3,)

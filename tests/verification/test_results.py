"""Outputs of a model paired with what the program returned."""

import numpy as np
import pytest

from exporter.errors import VerificationError
from exporter.verification.results import flat_outputs, paired

A, B, C = np.ones((2, 2)), np.zeros(3), np.array(5)


def test_lists_of_known_length() -> None:
    outputs = {"a": A, "xs.0": B, "xs.1": C}
    assert list(paired([A, [B, C]], outputs, "")) == ["a", "xs.0", "xs.1"]
    assert list(paired([A, [], [B], C], outputs, "")) == ["a", "xs.0", "xs.1"]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_sequences(count: int) -> None:
    outputs = {"xs": [B] * count, "a": A}
    expected = paired([[B] * count, A], outputs, "")
    assert list(expected) == [*(f"xs.{i}" for i in range(count)), "a"]
    assert expected.keys() == flat_outputs(outputs).keys()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_numbers(count: int) -> None:
    """A list of run-time length is one 1-D tensor, one of known length a tensor for each."""
    numbers = [np.array(i) for i in range(count)]
    expected = paired([numbers, A], {"ns": np.arange(count), "a": A}, "")
    np.testing.assert_array_equal(expected["ns"], np.arange(count))
    assert expected["ns"].dtype == np.int64
    assert expected["a"] is A


def test_an_empty_list_that_is_no_output() -> None:
    assert list(paired([[], B], {"b": B}, "")) == ["b"]
    assert list(paired([[], [B]], {"xs": [B]}, "")) == ["xs.0"]


def test_none_is_no_output_or_one_that_is_none() -> None:
    assert list(paired([A], {"y": None, "a": A, "z": None}, "")) == ["a"]
    assert flat_outputs({"y": None, "xs": [B, C], "a": A}).keys() == {"xs.0", "xs.1", "a"}


@pytest.mark.parametrize(
    ("result", "outputs", "message"),
    [
        ([[B, B]], {"xs": [B]}, "gives a list of 1 as xs, PyTorch one of 2"),
        ([A, B], {"a": A}, "gives 1 tensors, PyTorch 2"),
        ([A], {"a": A, "b": B}, "gives 2 tensors, PyTorch 1"),
        ([A], {"a": None}, "gives 0 tensors, PyTorch 1"),
        ([], {"xs": []}, "gives 0 tensors, PyTorch 0"),
    ],
)
def test_what_does_not_pair(result, outputs, message: str) -> None:
    with pytest.raises(VerificationError, match=message):
        paired(result, outputs, "as given")

"""Recordings survive a file; works without PyTorch."""

from pathlib import Path

import numpy as np

from models.recording import RecordedCall, Recording


def test_round_trip(tmp_path: Path) -> None:
    """Calls stay in order beyond ten, empty arrays and state included."""
    calls = [
        RecordedCall([np.full((i, 2), i, np.float32), np.array(i)], [np.arange(i), np.array(True)])
        for i in range(12)
    ]
    Recording(calls, [np.zeros(3), np.array(7)]).save(tmp_path / "x.npz")
    loaded = Recording.load(tmp_path / "x.npz")
    assert len(loaded.calls) == 12
    for call, again in zip(calls, loaded.calls, strict=True):
        arrays = call.inputs + call.outputs
        for one, other in zip(arrays, again.inputs + again.outputs, strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
    assert [array.tolist() for array in loaded.state] == [[0, 0, 0], 7]


def test_equal_recordings_give_equal_bytes(tmp_path: Path) -> None:
    recording = Recording([RecordedCall([np.ones(3)], [np.zeros(2)])])
    recording.save(tmp_path / "a.npz")
    recording.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_example_has_numbers_for_arrays_without_dims() -> None:
    recording = Recording([RecordedCall([np.ones((1, 2)), np.array(5)], [])])
    tensor, number = recording.example()
    assert isinstance(tensor, np.ndarray)
    assert number == 5
    assert type(number) is int

"""Archives of every age and byte order, made by hand: these run without PyTorch."""

from __future__ import annotations

import io
import struct
import subprocess
import sys

import numpy as np
import pytest
from onnx_ir import DataType

from exporter.archive import Archive, PerChannel, PerTensor, TensorData, open_archive
from exporter.errors import ArchiveError
from tests.archive.handmade import (
    HEADER,
    archive,
    integer,
    module,
    name,
    records,
    tensor,
    text,
    tuple_of,
    zipped,
)

MATRIX = np.arange(6, dtype=np.float32).reshape(2, 3)


def tensor_of(opened: Archive, attribute: str = "w") -> TensorData:
    found = opened.root.attributes[attribute]
    assert isinstance(found, TensorData)
    return found


def with_tensor(**storages: bytes) -> bytes:
    contents = records(module(w=tensor((2, 3), (3, 1))))
    return zipped({**contents, **{key.replace("__", "/"): data for key, data in storages.items()}})


def test_what_an_archive_tells():
    opened = open_archive(archive(**{"extra/notes.txt": b"hello"}))
    assert (opened.name, opened.path, opened.version) == ("archive", None, 3)
    assert opened.byteorder == "little"
    assert list(opened.code) == ["__torch__"]
    assert opened.code["__torch__"].startswith("class M(Module):")
    assert opened.root.type_name == "__torch__.M"
    assert opened.root.attributes == {"training": True}
    assert opened.constants == ()
    assert opened.traced_inputs == {}
    assert opened.source_ranges("__torch__") is None
    assert bytes(opened.extra_files["notes.txt"]) == b"hello"


def test_code_records_are_named_as_modules():
    opened = open_archive(archive(**{"code/__torch__/a/b.py": b"def f() -> int:\n  return 1\n"}))
    assert sorted(opened.code) == ["__torch__", "__torch__.a.b"]
    assert "nothing" not in opened.code


def test_a_path_bytes_and_a_file_object_give_the_same(tmp_path):
    data = with_tensor(data__0=MATRIX.tobytes())
    path = tmp_path / "model.pt"
    path.write_bytes(data)
    with path.open("rb") as file:
        for source in (path, str(path), data, io.BytesIO(data), file):
            weight = tensor_of(open_archive(source))
            np.testing.assert_array_equal(weight.numpy(), MATRIX)
    assert open_archive(path).path == path


def test_values_are_views_at_their_offset_in_the_file(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(with_tensor(data__0=MATRIX.tobytes()))
    weight = tensor_of(open_archive(path))
    values = weight.numpy()
    assert not values.flags.owndata
    assert not values.flags.writeable
    start = weight.file_offset
    assert path.read_bytes()[start : start + weight.nbytes] == MATRIX.tobytes()
    assert weight.numpy().ctypes.data == values.ctypes.data


@pytest.mark.parametrize("version", [1, 2, 3, 10])
def test_versions(version):
    assert open_archive(archive(version=b"%d\n" % version)).version == version


def test_the_newer_place_of_the_version():
    assert open_archive(archive(version=None, **{".data/version": b"6"})).version == 6


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (b"11", "newer PyTorch"),
        (b"x", "version is 'x'"),
        (b"0", "version is '0'"),
        (None, "no rec"),
    ],
)
def test_bad_versions(version, expected):
    with pytest.raises(ArchiveError, match=expected):
        open_archive(archive(version=version))


def test_storages_in_the_old_folder():
    weight = tensor_of(open_archive(with_tensor(tensors__0=MATRIX.tobytes())))
    np.testing.assert_array_equal(weight.numpy(), MATRIX)


def test_mobile_archives_are_archives():
    opened = open_archive(archive(**{"bytecode.pkl": HEADER + b"K\x08\x85."}))
    assert opened.root.type_name == "__torch__.M"


@pytest.mark.parametrize(
    ("storage", "dtype", "values"),
    [
        ("FloatStorage", DataType.FLOAT, np.array([1.5, -2], "f4")),
        ("DoubleStorage", DataType.DOUBLE, np.array([1.5, -2], "f8")),
        ("HalfStorage", DataType.FLOAT16, np.array([1.5, -2], "f2")),
        ("LongStorage", DataType.INT64, np.array([2**40, -2], "i8")),
        ("ShortStorage", DataType.INT16, np.array([258, -2], "i2")),
        ("ByteStorage", DataType.UINT8, np.array([1, 255], "u1")),
        ("BoolStorage", DataType.BOOL, np.array([True, False])),
        ("ComplexFloatStorage", DataType.COMPLEX64, np.array([1 + 2j, 3 - 4j], "c8")),
        ("ComplexDoubleStorage", DataType.COMPLEX128, np.array([1 + 2j, 3 - 4j], "c16")),
    ],
)
@pytest.mark.parametrize("order", ["little", "big"])
def test_byte_orders(storage, dtype, values, order):
    data = values.astype(values.dtype.newbyteorder("<" if order == "little" else ">")).tobytes()
    weight = tensor((2,), (1,), storage=storage, elements=2)
    opened = open_archive(
        archive(module(w=weight), **{"data/0": data, "byteorder": order.encode()})
    )
    found = tensor_of(opened)
    assert found.dtype is dtype
    assert found.numpy().dtype == values.dtype
    np.testing.assert_array_equal(found.numpy(), values)
    assert (found.file_offset is None) == (order == "big" and values.itemsize > 1)


def test_big_endian_bfloat16():
    weight = tensor((2,), (1,), storage="BFloat16Storage", elements=2)
    opened = open_archive(
        archive(module(w=weight), **{"data/0": b"\x3f\x80\xc0\x00", "byteorder": b"big"})
    )
    found = tensor_of(opened).numpy()
    assert found.dtype.name == "bfloat16"
    assert found.tolist() == [1.0, -2.0]


def test_an_unknown_byte_order():
    with pytest.raises(ArchiveError, match="byte order is 'middle'"):
        open_archive(archive(byteorder=b"middle"))


@pytest.mark.parametrize(
    ("shape", "strides", "offset", "contiguous"),
    [
        ((2, 3), (3, 1), 0, True),
        ((3, 2), (1, 3), 0, False),
        ((2, 2), (3, 1), 1, False),
        ((3,), (1,), 3, True),
        ((1, 3), (99, 1), 3, True),
        ((4, 2), (0, 1), 2, False),
        ((), (), 5, True),
        ((0, 3), (3, 1), 0, True),
    ],
)
def test_strides_and_offsets(shape, strides, offset, contiguous):
    opened = open_archive(
        archive(module(w=tensor(shape, strides, offset=offset)), **{"data/0": MATRIX.tobytes()})
    )
    found = tensor_of(opened)
    steps = [stride * 4 for stride in strides]
    expected = np.lib.stride_tricks.as_strided(MATRIX.reshape(-1)[offset:], shape, steps)
    np.testing.assert_array_equal(found.numpy(), expected)
    assert found.is_contiguous is contiguous
    if contiguous and found.size:
        assert found.file_offset == found.storage.file_offset + 4 * offset
        assert found.nbytes == expected.size * 4


def test_shared_storages_stay_shared():
    both = module(a=tensor((2, 3), (3, 1)), b=tensor((3, 2), (1, 3)))
    opened = open_archive(archive(both, **{"data/0": MATRIX.tobytes()}))
    a, b = tensor_of(opened, "a"), tensor_of(opened, "b")
    assert a is not b
    assert a.storage is b.storage
    assert np.shares_memory(a.numpy(), b.numpy())


def test_a_storage_of_two_types_is_damage():
    both = module(a=tensor((2, 3), (3, 1)), b=tensor((2, 3), (3, 1), storage="IntStorage"))
    with pytest.raises(ArchiveError, match="said to be 6 Float and 6 Int"):
        _ = open_archive(archive(both, **{"data/0": bytes(24)})).root


def quantized(storage: str, elements: int, shape: tuple[int, ...], *quantizer: bytes) -> bytes:
    place = tuple_of(
        text("storage"), name("torch", storage), text("0"), text("cpu"), integer(elements)
    )
    strides = (1,) if len(shape) == 1 else (shape[1], 1)
    return (
        name("torch._utils", "_rebuild_qtensor")
        + tuple_of(
            place + b"Q",
            b"K\0",
            tuple_of(*map(integer, shape)),
            tuple_of(*map(integer, strides)),
            tuple_of(*quantizer),
            b"\x89",
            name("collections", "OrderedDict") + b")R",
        )
        + b"R"
    )


def test_quantized_per_tensor():
    scheme = name("torch", "per_tensor_affine")
    weight = quantized("QInt8Storage", 3, (3,), scheme, b"G" + struct.pack(">d", 0.5), b"K\x03")
    found = tensor_of(open_archive(archive(module(w=weight), **{"data/0": b"\x01\xff\x07"})))
    assert found.dtype is DataType.INT8
    assert found.numpy().tolist() == [1, -1, 7]
    assert isinstance(found.quantization, PerTensor)
    assert (found.quantization.scale, found.quantization.zero_point) == (0.5, 3)


def test_quantized_4_bits_per_channel():
    """Two elements a byte, the low half first, over all rows without a gap."""
    parameters = [
        tensor((2,), (1,), key="1", elements=2),
        tensor((2,), (1,), key="2", elements=2),
        b"K\0",
    ]
    scheme = name("torch", "per_channel_affine_float_qparams")
    weight = quantized("QUInt4x2Storage", 4, (2, 3), scheme, *parameters)
    storages = {"data/0": b"\x10\x32\x54\x00", "data/1": bytes(8), "data/2": bytes(8)}
    found = tensor_of(open_archive(archive(module(w=weight), **storages)))
    assert found.dtype is DataType.UINT4
    assert found.numpy().astype(int).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert isinstance(found.quantization, PerChannel)
    assert found.quantization.axis == 0
    assert found.quantization.float_zero_points
    assert found.quantization.scales.shape == (2,)
    assert found.file_offset is None


def test_traced_inputs_have_types_but_no_values():
    inputs = b"}(" + text("forward") + b"](" + tensor((2, 3), (3, 1)) + b"K\x05eu"
    opened = open_archive(
        archive(**{"traced_inputs.pkl": HEADER + inputs + b".", "traced_inputs/0": b""})
    )
    example, number = opened.traced_inputs["forward"]
    assert isinstance(example, TensorData)
    assert (example.dtype, example.shape, number) == (DataType.FLOAT, (2, 3), 5)
    assert not example.has_data
    assert example.file_offset is None
    with pytest.raises(ArchiveError, match=r"a float\[2, 3\] tensor has no values in the archive"):
        example.numpy()


def test_meta_tensors_have_no_values():
    weight = tensor((2, 3), (3, 1), device="meta")
    found = tensor_of(open_archive(archive(module(w=weight), **{"data/0": b""})))
    assert found.device == "meta"
    assert not found.has_data


def test_constants_have_their_own_storages():
    constants = HEADER + b"(" + tensor((2, 3), (3, 1)) + b"K\x01t."
    opened = open_archive(archive(**{"constants.pkl": constants, "constants/0": MATRIX.tobytes()}))
    weight, number = opened.constants
    np.testing.assert_array_equal(weight.numpy(), MATRIX)
    assert weight.storage.key == "constants/0"
    assert number == 1


@pytest.mark.parametrize(
    ("record", "attribute"),
    [("data.pkl", "root"), ("constants.pkl", "constants"), ("traced_inputs.pkl", "traced_inputs")],
)
def test_records_that_hold_something_else(record, attribute):
    opened = open_archive(archive(**{record: HEADER + b"K\x01."}))
    with pytest.raises(ArchiveError, match=rf"damaged: {record}"):
        getattr(opened, attribute)


def test_nothing_is_read_before_it_is_wanted():
    """A damaged pickle is noticed by whoever asks for what it holds."""
    opened = open_archive(archive(b"garbage"))
    assert opened.constants == ()
    with pytest.raises(ArchiveError):
        _ = opened.root


def test_torch_is_not_imported():
    program = "import sys; sys.modules['torch'] = None; import exporter.archive"
    subprocess.run([sys.executable, "-c", program], check=True)

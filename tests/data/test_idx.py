"""IDX files are read whole and right, or refused with a reason; never half, never beyond what the file supports."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from minirmae.data import DataError, read_idx, write_idx
from minirmae.data.idx import ELEMENT_TYPES

NATIVE = [dtype.newbyteorder("=") for dtype in ELEMENT_TYPES.values()]


def header(code: int, *dimensions: int) -> bytes:
    return struct.pack(f">HBB{len(dimensions)}I", 0, code, len(dimensions), *dimensions)


@settings(deadline=None)  # a disk may take its time
@given(
    array=st.sampled_from(NATIVE).flatmap(
        lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4))
    ),
    suffix=st.sampled_from(["", ".gz"]),
)
def test_every_type_and_shape_survives_the_round_trip(tmp_path_factory, array, suffix):
    path = tmp_path_factory.mktemp("idx") / f"file{suffix}"
    write_idx(path, array)
    read = read_idx(path)
    assert read.dtype == array.dtype
    assert read.dtype.isnative
    assert np.array_equal(read, array, equal_nan=array.dtype.kind == "f")


def test_the_bytes_are_those_of_the_format(tmp_path):
    write_idx(tmp_path / "file", np.array([[1, -2, 3]], dtype=np.int16))
    expected = bytes.fromhex("00000B02 00000001 00000003 0001 FFFE 0003")
    assert (tmp_path / "file").read_bytes() == expected
    write_idx(tmp_path / "swapped", np.array([[1, -2, 3]], dtype=">i2"))
    assert (tmp_path / "swapped").read_bytes() == expected


def test_gzip_is_seen_from_the_content_not_the_name(tmp_path):
    values = np.arange(6, dtype=np.uint8)
    write_idx(tmp_path / "a.gz", values)
    (tmp_path / "a.gz").rename(tmp_path / "compressed")
    write_idx(tmp_path / "b", values)
    (tmp_path / "b").rename(tmp_path / "plain.gz")
    assert (tmp_path / "compressed").read_bytes()[:2] == b"\x1f\x8b"
    assert np.array_equal(read_idx(tmp_path / "compressed"), values)
    assert np.array_equal(read_idx(tmp_path / "plain.gz"), values)


BODY = header(0x08, 2, 3) + bytes(6)

DAMAGED = {
    "empty": (b"", "file is empty"),
    "not idx": (b"\x89PNG\r\n\x1a\n", "not an IDX file.*starts with 89 50 4E 47"),
    "three bytes": (b"\0\0\x08", "not an IDX file.*starts with 00 00 08"),
    "wrong zeros": (b"\1" + BODY[1:], "not an IDX file"),
    "wrong type": (b"\0\0\x0a" + BODY[3:], "not an IDX file"),
    "no dimensions": (header(0x08) + b"\0", "not an IDX file"),
    "255 dimensions": (b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"\0", "not an IDX file"),
    "header cut": (BODY[:9], "ends within its header"),
    "no values": (BODY[:12], "announces 6 bytes of values.*truncated"),
    "one value missing": (BODY[:-1], "announces 6 bytes of values.*truncated"),
    "one value too many": (BODY + b"\0", "goes on after the 6 bytes"),
    "absurd": (header(0x08, 2**32 - 1, 2**32 - 1) + bytes(64), "4294967295 x 4294967295 of uint8, more than the limit"),
    "absurd, hidden by a zero": (header(0x0E, 0, 2**32 - 1, 2**32 - 1), "more than the limit"),
    "larger than the file": (header(0x08, 60000, 28, 28) + bytes(64), "47040000 bytes.*truncated"),
}


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_files_are_refused(tmp_path, damage, compressed):
    content, message = DAMAGED[damage]
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(content) if compressed else content)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("cut", [3, 15, -9, -1])
def test_a_truncated_gzip_stream_is_refused(tmp_path, cut):
    values = np.random.default_rng(0).integers(0, 256, 5000).astype(np.uint8)
    whole = gzip.compress(header(0x08, 5000) + values.tobytes())
    (tmp_path / "file").write_bytes(whole[:cut])
    with pytest.raises(DataError, match="gzip stream ends early"):
        read_idx(tmp_path / "file")


@pytest.mark.parametrize("place", [12, 400, -6, -2], ids=["method", "values", "checksum", "length"])
def test_a_corrupt_gzip_stream_is_refused(tmp_path, place):
    values = np.random.default_rng(0).integers(0, 200, 5000).astype(np.uint8)
    broken = bytearray(gzip.compress(header(0x08, 5000) + values.tobytes()))
    broken[place] ^= 0xFF
    (tmp_path / "file").write_bytes(broken)
    with pytest.raises(DataError, match=r"gzip stream|not an IDX|announces|goes on"):
        read_idx(tmp_path / "file")


def test_rubbish_after_the_gzip_stream_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(gzip.compress(BODY) + b"rubbish")
    with pytest.raises(DataError, match="gzip stream is corrupt"):
        read_idx(tmp_path / "file")


def peak_while_refusing(path, **options) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            read_idx(path, **options)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_gzip_bomb_stops_where_the_header_said(tmp_path):
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(header(0x08, 1000) + bytes(200 << 20), compresslevel=1))
    assert peak_while_refusing(bomb) < 8 << 20


def test_nothing_is_allocated_on_the_word_of_a_header(tmp_path):
    announced = header(0x08, 1 << 31) + bytes(1000)
    (tmp_path / "plain").write_bytes(announced)
    (tmp_path / "gzip").write_bytes(gzip.compress(announced))
    assert peak_while_refusing(tmp_path / "plain") < 1 << 20
    assert peak_while_refusing(tmp_path / "gzip") < 1 << 20


def test_the_limit_can_be_moved(tmp_path):
    write_idx(tmp_path / "file", np.zeros(100, dtype=np.float64))
    with pytest.raises(DataError, match=r"limit of 799 bytes.*larger max_bytes"):
        read_idx(tmp_path / "file", max_bytes=799)
    assert len(read_idx(tmp_path / "file", max_bytes=800)) == 100


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "nothing")


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.bool_, np.complex64])
def test_types_that_idx_does_not_have_are_not_written(tmp_path, dtype):
    with pytest.raises(TypeError, match="must be one of uint8, int8, int16, int32, float32, float64, got"):
        write_idx(tmp_path / "file", np.zeros(3, dtype=dtype))
    assert not list(tmp_path.iterdir())


def test_a_number_without_axes_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="must have 1 to 32 axes"):
        write_idx(tmp_path / "file", np.array(3, dtype=np.uint8))

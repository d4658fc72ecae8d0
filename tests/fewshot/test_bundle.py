import json
import os
import struct
import subprocess
import sys
from datetime import datetime

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot import bundle
from fewshot.errors import InputError

KIND = "keyword model"
HEADER = {"keywords": ["Tür", "auf"], "threshold": -0.25, "nested": {"a": [1, None, True]}}
FIELDS = {"kind": KIND, "format_version": 1}
TENSORS = {
    "w": np.arange(12, dtype=np.float32).reshape(3, 4),
    "n": np.array(7, dtype=np.int64),
    "empty": np.zeros((0, 5), np.float32),
    "flag": np.array([True, False]),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "door.kws"


def raw(layout, data=b"", *, length=None):
    """A file from its parts: the layout as bytes or as what JSON can hold."""
    text = layout if isinstance(layout, bytes) else json.dumps(layout).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def described(fields=FIELDS, **arrays):
    text = fields if isinstance(fields, str) else json.dumps(fields)
    return {"__metadata__": {"fewshot": text}} | arrays


def entry(begin, end, shape, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def load(path):
    return bundle.load(path, kind=KIND, version=1)


def refused(path, match=None):
    with pytest.raises(InputError, match=match) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and message.isprintable() and len(message) < 400
    return message


def test_round_trip(path):
    bundle.save(path, TENSORS, HEADER, kind=KIND, version=1)
    tensors, header = load(path)
    assert header == bundle.read_header(path)
    assert tensors.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        np.testing.assert_array_equal(tensors[name], array, strict=True)
        assert tensors[name].flags.writeable
    added = {name: header.pop(name) for name in bundle.OWN_FIELDS}
    assert header == HEADER
    assert (added["kind"], added["format_version"]) == (KIND, 1)
    assert added["libraries"]["numpy"] == np.__version__
    assert {"fewshot-audio", "python", "torch", "numba"} <= added["libraries"].keys()
    assert datetime.fromisoformat(added["date"]).utcoffset().total_seconds() == 0


def test_memory_layout_does_not_matter(path):
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    views = {"t": array.T, "step": array[:, ::2], "back": array[::-1], "big": array.astype(">f4")}
    bundle.save(path, views, {}, kind=KIND, version=1)
    for name, loaded in load(path)[0].items():
        np.testing.assert_array_equal(loaded, views[name])


def test_any_safetensors_reader_can_open_it(path):
    bundle.save(path, TENSORS, HEADER, kind=KIND, version=1)
    np.testing.assert_array_equal(safetensors.numpy.load_file(path)["w"], TENSORS["w"])
    with safetensors.safe_open(path, framework="np") as file:
        assert list(file.metadata()) == ["fewshot"]


def test_header_alone_reads_no_arrays_and_no_torch(path):
    bundle.save(path, TENSORS, HEADER, kind=KIND, version=1)
    with open(path, "r+b") as file:
        file.seek(-8, os.SEEK_END)
        file.write(b"\xff" * 8)  # NaN in the arrays
    assert bundle.read_header(path, kind=KIND, version=1)["keywords"] == HEADER["keywords"]
    code = (
        "import sys; from fewshot import bundle; bundle.read_header(sys.argv[1])\n"
        "assert not {'torch', 'numba', 'scipy'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


def test_existing_file_and_missing_folder(path):
    bundle.save(path, TENSORS, {"a": 1}, kind=KIND, version=1)
    with pytest.raises(InputError, match="exists; use --force"):
        bundle.save(path, TENSORS, {"a": 2}, kind=KIND, version=1)
    assert load(path)[1]["a"] == 1
    bundle.save(path, TENSORS, {"a": 2}, kind=KIND, version=1, force=True)
    assert load(path)[1]["a"] == 2
    with pytest.raises(InputError, match="no such folder"):
        bundle.save(path.parent / "nowhere" / "m", TENSORS, {}, kind=KIND, version=1)


@pytest.mark.parametrize(
    ("tensors", "header"),
    [
        ({"w": np.array([np.nan])}, {}),
        ({"w": np.array([np.inf], np.float32)}, {}),
        ({}, {"threshold": float("-inf")}),
        ({}, {"nested": [{"x": float("nan")}]}),
        ({}, {"kind": "other"}),
        ({}, {"long": "x" * bundle.MAX_HEADER_BYTES}),
    ],
)
def test_what_cannot_be_loaded_is_not_saved(path, tensors, header):
    with pytest.raises(ValueError):
        bundle.save(path, tensors, header, kind=KIND, version=1)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\0", "is not a model file"),
        (b"RIFF\x24\x08\0\0WAVEfmt ", "is not a model file"),
        (b"not audio and not a model", "is not a model file"),
        (b"PK\x03\x04" + bytes(200), "is not a model file"),
        (b"\x80\x04\x95" + bytes(100), "is not a model file"),
        (bytes(4096), "is not a model file"),
        (raw(b"{}", length=2**64 - 1), "is not a model file"),
        (raw(b"{}", length=2**63), "is not a model file"),
        (raw(b"{}", length=bundle.MAX_HEADER_BYTES + 1), "is not a model file"),
        (raw(b"{}", length=0), "is not a model file"),
        (raw(b"{}", length=3), "is cut off"),
        (raw(b"{}", length=1_000_000), "is cut off"),
        (raw(b"[]"), "is not a model file"),
        (raw({}), "not a model of this program"),
        (raw({"__metadata__": None}), "not a model of this program"),
        (raw({"__metadata__": {"format": "pt"}}), "not a model of this program"),
        (raw({"__metadata__": {"fewshot": 1}}), "not a model of this program"),
    ],
)
def test_foreign_files(path, content, message):
    path.write_bytes(content)
    refused(path, message)
    with pytest.raises(InputError, match=message):
        bundle.read_header(path)


NESTED = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    "layout",
    [
        b"{ ",
        b"{'a': 1}",
        b'{"a": "\xff"}',
        b'{"a": 1, "a": 2}',
        b'{"__metadata__": {"fewshot": "{}", "fewshot": "{}"}}',
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": ' + NESTED.encode() + b"}",
        described(""),
        described("{"),
        described("[]"),
        described("null"),
        described('{"kind": "keyword model", "kind": "keyword model", "format_version": 1}'),
        described('{"kind": "keyword model", "format_version": 1, "threshold": NaN}'),
        described('{"kind": "keyword model", "format_version": 1, "threshold": -Infinity}'),
        described('{"kind": "keyword model", "format_version": 1, "threshold": 1e400}'),
        described('{"kind": "keyword model", "format_version": 1, "x": ' + NESTED + "}"),
        described({"kind": KIND}),
        described({"format_version": 1}),
        described({"kind": 1, "format_version": 1}),
        described({"kind": KIND, "format_version": "1"}),
        described({"kind": KIND, "format_version": True}),
        described({"kind": KIND, "format_version": 1.0}),
        described({"kind": KIND, "format_version": 0}),
    ],
)
def test_broken_headers(path, layout):
    path.write_bytes(raw(layout))
    refused(path, "is damaged")
    with pytest.raises(InputError, match="is damaged"):
        bundle.read_header(path)


@pytest.mark.parametrize(
    "arrays",
    [
        {"a": 1},
        {"a": None},
        {"a": {}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": 8}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8.0]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [False, 8]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": []}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [8]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4, 8]}},
        {"a": entry(8, 0, [2])},
        {"a": entry(-8, 8, [4])},
        {"a": entry(0, 8, [3])},
        {"a": entry(0, 8, [-2])},
        {"a": entry(0, 8, [2.0])},
        {"a": entry(0, 8, "2")},
        {"a": entry(0, 8, [2**40, 2**40])},
        {"a": entry(0, 8, [2] + [1] * 100)},
        {"a": entry(0, 8, [10**30, 0]), "b": entry(0, 8, [2])},
        {"a": entry(0, 0, [0, 2**62, 2**62]), "b": entry(0, 8, [2])},
        {"a": entry(0, 8, [2], "F31")},
        {"a": entry(0, 8, [4], "BF16")},
        {"a": entry(0, 8, [8], "F8_E4M3")},
        {"a": entry(0, 8, [2], 32)},
        {"a": entry(0, 8, [1], "object")},
        {"a": entry(0, 8, [2]), "b": entry(0, 8, [2])},
        {"a": entry(0, 8, [2]), "b": entry(4, 8, [1])},
        {"a": entry(0, 4, [1])},
        {"a": entry(4, 8, [1])},
        {"a": entry(0, 16, [4])},
        {"a": entry(0, 2**64, [2])},
        {"a": entry(0, 10**400, [2])},
        {},
    ],
)
def test_arrays_that_do_not_fit_the_file(path, arrays):
    path.write_bytes(raw(described(**arrays), bytes(8)))
    refused(path, "is damaged|is cut off")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.complex64])
def test_values_that_are_not_finite(path, value, dtype):
    data = np.array([0, value, 0], dtype)
    metadata = {"fewshot": json.dumps(FIELDS)}
    safetensors.numpy.save_file({"centres": data}, path, metadata)
    refused(path, "'centres' holds values that are not finite")


def test_names_cannot_steer_the_terminal(path):
    metadata = {"fewshot": json.dumps(FIELDS | {"kind": "\x1b[2J\n" + "x" * 1000})}
    safetensors.numpy.save_file({}, path, metadata)
    refused(path, "holds a ")
    safetensors.numpy.save_file(
        {"\x1b[2J\n" * 1000: np.array([np.nan])}, path, {"fewshot": json.dumps(FIELDS)}
    )
    refused(path, "not finite")


def test_kind_and_version(path):
    bundle.save(path, {}, {}, kind=KIND, version=2)
    message = refused(path, "format version 2, newer than the 1")
    assert "install a newer" in message
    assert bundle.load(path, kind=KIND, version=3)[1]["format_version"] == 2
    assert bundle.read_header(path)["kind"] == KIND
    with pytest.raises(InputError, match="holds a keyword model, not a classifier"):
        bundle.read_header(path, kind="classifier")


def test_missing_folder_and_special_files(path, tmp_path):
    refused(path, "No such file")
    refused(tmp_path, "is a folder")
    os.mkfifo(path)
    refused(path, "is not a regular file")
    refused("a\0b".replace("\0", "x" * 300), "File name too long")


def written(tmp_path):
    path = tmp_path / "whole.kws"
    bundle.save(path, TENSORS, HEADER, kind=KIND, version=1)
    return path.read_bytes()


def test_truncations_and_an_appendix(path, tmp_path):
    whole = written(tmp_path)
    for length in {*range(0, len(whole), 7), len(whole) - 1}:
        path.write_bytes(whole[:length])
        refused(path)
    path.write_bytes(whole + b"\0")
    refused(path, "is damaged")


@settings(max_examples=100)
@given(data=st.data())
def test_changed_bytes_are_refused_or_load_as_sane_values(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz", numbered=True)
    content = bytearray(written(folder))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = folder / "changed.kws"
    path.write_bytes(content)
    try:
        tensors, header = load(path)
    except InputError as error:
        assert str(error).isprintable()
    else:
        assert all(np.isfinite(array).all() for array in tensors.values())
        assert header["kind"] == KIND and header["format_version"] == 1

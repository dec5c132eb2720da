"""A published file is known by its content, however it is compressed."""

import gzip
import hashlib
from importlib import import_module

import pytest

from minirmae.data.published import PUBLISHED, PublishedFile, is_published, published_set

module = import_module("minirmae.data.published")

CONTENT = bytes(range(256)) * 20
FILE = PublishedFile("labels.gz", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


@pytest.mark.parametrize("stored", [CONTENT, gzip.compress(CONTENT, 1), gzip.compress(CONTENT, 9, mtime=7)])
def test_the_content_counts_not_the_compression(tmp_path, stored):
    (tmp_path / "file").write_bytes(stored)
    assert is_published(FILE, tmp_path / "file")


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        CONTENT[:-1],
        CONTENT + b"\0",
        CONTENT[:-1] + b"\0",
        gzip.compress(CONTENT)[:-1],
        gzip.compress(CONTENT[:-1]),
        gzip.compress(CONTENT + bytes(1 << 20)),
        gzip.compress(CONTENT) + b"rubbish",
    ],
)
def test_anything_else_does_not(tmp_path, stored):
    (tmp_path / "file").write_bytes(stored)
    assert not is_published(FILE, tmp_path / "file")


def test_a_missing_file_does_not(tmp_path):
    assert not is_published(FILE, tmp_path / "file")
    assert not is_published(FILE, tmp_path)


def test_the_tables_are_well_formed():
    for name, published in PUBLISHED.items():
        assert published.name == name
        assert [file.content_bytes for file in published.files] == [
            16 + 60000 * 784,
            8 + 60000,
            16 + 10000 * 784,
            8 + 10000,
        ]
        assert all(len(bytes.fromhex(file.sha256)) == 32 for file in published.files)
        assert all(mirror.startswith(("http://", "https://")) for mirror in published.mirrors)
    assert len({file.sha256 for published in PUBLISHED.values() for file in published.files}) == 8


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="fetch: name must be one of mnist, fashion-mnist; got 'cifar'"):
        published_set("fetch", "cifar")

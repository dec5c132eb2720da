"""The package as a whole: what it offers and what importing it costs."""

import subprocess
import sys

import pytest

import minirmae.data


def test_importing_the_package_loads_no_image_library_and_no_network():
    heavy = ("PIL", "matplotlib", "urllib.request", "http.client", "gzip", "zipfile", "hashlib", "scipy")
    program = "import sys, numpy; old = set(sys.modules); import minirmae.data; print(*(set(sys.modules) - old))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = result.stdout.split()
    assert "minirmae.data.fetch" in loaded
    assert not set(heavy) & set(loaded)


@pytest.mark.parametrize("name", minirmae.data.__all__)
def test_everything_it_offers_exists_and_is_documented(name):
    assert hasattr(minirmae.data, name)
    if callable(getattr(minirmae.data, name)):
        assert getattr(minirmae.data, name).__doc__

"""The door to the array libraries: names of devices, copies between them, and what is said where there is none."""

import sys
from contextlib import nullcontext
from types import SimpleNamespace

import device_stand_in as stand_in
import numpy as np
import pytest

from minirmae import arrays, devices
from minirmae.arrays import DeviceError, array_module, asarray, asnumpy, device_of
from minirmae.commands import main
from minirmae.devices import require_device, using, wait_for
from minirmae.validation import require_one_device


class CUDARuntimeError(RuntimeError):
    """As CuPy's."""


def fake_cupy(monkeypatch, *, driver=0, cards=0, error=None):
    """Put a CuPy into the import system that finds this driver and so many cards."""

    def fail():
        raise error

    runtime = SimpleNamespace(
        driverGetVersion=lambda: driver, runtimeGetVersion=lambda: 12090, getDeviceCount=lambda: cards
    )
    available = fail if error else lambda: cards > 0
    cuda = SimpleNamespace(runtime=runtime, is_available=available, Device=lambda number=0: SimpleNamespace(id=number))
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(__version__="14.0.0", cuda=cuda))


@pytest.fixture(autouse=True)
def _ask_again():
    """Success is remembered, and a fake card must not be."""
    devices._require_card.cache_clear()
    yield
    devices._require_card.cache_clear()


def test_numpy_arrays_are_on_the_cpu_and_stay_themselves():
    x = np.ones(3)
    assert array_module(x) is np
    assert device_of(x) == "cpu"
    assert asarray(x) is x
    assert asnumpy(x) is x
    assert require_device("cpu") == "cpu"
    assert asarray([1, 2]).tolist() == [1, 2]


def test_what_is_no_array_belongs_to_numpy():
    for value in (1.0, [1, 2], np.float32(3)):
        assert array_module(value) is np
        assert device_of(value) == "cpu"


def test_there_and_back():
    x = np.arange(6.0).reshape(2, 3)
    there = asarray(x, "stand-in")
    assert array_module(there) is stand_in.xp
    assert device_of(there) == "stand-in:0"
    assert asarray(there, "stand-in:0") is there
    assert np.array_equal(asnumpy(there), x)
    assert np.array_equal(asarray(there, "cpu"), x)
    across = asarray(there, "stand-in:1")
    assert device_of(across) == "stand-in:1"
    assert np.array_equal(asnumpy(across), x)
    x[0] = 9
    assert asnumpy(there)[0, 0] == 0


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:-1", "cuda:x", "cpu:0", "", "CUDA", None, 1])
def test_names_of_no_device(name):
    with pytest.raises(DeviceError, match=r"device must be cpu, cuda.* or cuda:N; got"):
        require_device(name)


def test_a_device_error_is_a_value_error():
    assert issubclass(DeviceError, ValueError)


def test_without_cupy_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(DeviceError, match=r"not installed: pip install 'minirmae\[cuda12\]' .*'minirmae\[cuda13\]'"):
        require_device("cuda")


def test_a_broken_cupy_is_told_from_a_missing_one(monkeypatch):
    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == "cupy":
                raise ImportError("libcublas.so.12: cannot open shared object file")

    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(DeviceError, match="installed but cannot be imported: libcublas"):
        require_device("cuda")


def test_without_a_driver_that_is_said(monkeypatch):
    fake_cupy(monkeypatch)
    with pytest.raises(DeviceError, match=r"CuPy 14.0.0, for CUDA 12.9, found no NVIDIA driver; see what nvidia-smi"):
        require_device("cuda:1")


def test_a_driver_without_a_card(monkeypatch):
    fake_cupy(monkeypatch, driver=11080)
    with pytest.raises(DeviceError, match=r"found a driver for CUDA 11.8, but no card that it can use"):
        require_device("cuda")


def test_a_driver_that_fails(monkeypatch):
    fake_cupy(monkeypatch, driver=12040, error=CUDARuntimeError("cudaErrorUnknown: unknown error"))
    with pytest.raises(DeviceError, match=r"cannot use the driver: cudaErrorUnknown"):
        require_device("cuda")


def test_a_card_that_is_not_there(monkeypatch):
    fake_cupy(monkeypatch, driver=12090, cards=2)
    assert require_device("cuda") == "cuda:0"
    assert require_device("cuda:1") == "cuda:1"
    with pytest.raises(DeviceError, match=r"cuda:2: there are 2 cards, cuda:0 to cuda:1"):
        require_device("cuda:2")


def test_another_card_than_the_current_one_says_what_to_call(monkeypatch):
    fake_cupy(monkeypatch, driver=12090, cards=2)
    with pytest.raises(
        DeviceError, match=r"cuda:1 is not the current card; work inside: with devices.using\('cuda:1'\)"
    ):
        asarray(np.ones(2), "cuda:1")


def test_a_card_is_asked_once(monkeypatch):
    fake_cupy(monkeypatch, driver=12090, cards=1)
    require_device("cuda")
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert require_device("cuda") == "cuda:0"


def test_asking_for_the_module_does_not_import_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert array_module(np.ones(2)) is np


def test_arrays_on_two_devices_are_named():
    x, y = np.ones(2), np.ones(2)
    require_one_device("here", x=x, y=y)
    with pytest.raises(DeviceError, match=r"^here: arrays on two devices: x is on cpu and y on stand-in:0; bring one"):
        require_one_device("here", x=x, y=asarray(y, "stand-in"))


def test_memory_that_does_not_suffice_is_a_device_error_on_a_device_only():
    message = r"stand-in:0: the device's memory does not suffice \(9 bytes\); use a smaller batch"
    with pytest.raises(DeviceError, match=message), using("stand-in"):
        raise MemoryError("9 bytes")
    with pytest.raises(MemoryError), using("cpu"):
        raise MemoryError("9 bytes")


def test_using_and_waiting():
    with using("cpu") as name:
        assert name == "cpu"
    wait_for("cpu")
    wait_for("stand-in")
    with pytest.raises(DeviceError), using("stand-in:2"):
        pass


def test_a_library_is_reached_through_its_functions():
    calls = []

    class Own:
        pass

    Own.__module__ = "own_arrays.core"
    library = devices.Library(
        package="own_arrays",
        module=lambda: "the module",
        require=lambda number: calls.append(("require", number)),
        asarray=lambda host, number: Own(),
        asnumpy=lambda x: np.zeros(1),
        number=lambda x: 3,
        using=lambda number: nullcontext(),
        wait=lambda: calls.append("wait"),
    )
    libraries, kinds = dict(devices._LIBRARIES), dict(arrays.KINDS)
    try:
        devices.register("own", library)
        assert array_module(Own()) == "the module"
        assert device_of(Own()) == "own:3"
        assert asnumpy(Own()) == np.zeros(1)
        assert isinstance(asarray(np.ones(1), "own:1"), Own)
        wait_for("own:1")
        assert calls == [("require", 1), "wait"]
    finally:
        for table, before in ((devices._LIBRARIES, libraries), (arrays.KINDS, kinds)):
            table.clear()
            table.update(before)


@pytest.mark.parametrize(
    "command",
    [
        ["train", "--steps", "1", "--out", "run"],
        ["spectrum", "run"],
        ["sample", "run"],
        ["theory", "two-layer", "--quick"],
        ["gradcheck", "--select", "relu"],
        ["bench"],
    ],
)
def test_commands_fail_clearly_without_a_card(command, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert main([*command, "--device", "cuda"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"minirmae {command[0]}: error: device cuda needs CuPy, which is not installed")
    assert not list(tmp_path.iterdir())

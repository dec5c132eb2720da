"""The first signal is noted, the second has its usual effect; two processes never hold one directory."""

import errno
import os
import signal
import subprocess
import sys
import threading

import pytest

from minirmae.runs.signals import SIGNALS, deferred_signals, locked

has_locks = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")

HOLDER = """
import pathlib, sys
from minirmae.runs.signals import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noted_and_handlers_come_back(number):
    before = [signal.getsignal(n) for n in SIGNALS]
    with deferred_signals() as request:
        assert request.signal is None
        os.kill(os.getpid(), number)
        assert request.signal == number
        assert [signal.getsignal(n) for n in SIGNALS] == before
    assert [signal.getsignal(n) for n in SIGNALS] == before


def test_the_second_ctrl_c_quits_at_once():
    def two():
        with deferred_signals():
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            pytest.fail("went on")

    with pytest.raises(KeyboardInterrupt):
        two()


def test_handlers_come_back_after_an_error():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), deferred_signals():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is before


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with deferred_signals() as request:
            os.kill(os.getpid(), signal.SIGINT)
            assert request.signal is None
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_may_train():
    seen = []

    def work():
        with deferred_signals() as request:
            seen.append(request.signal)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [None]


@has_locks
def test_the_second_is_refused_until_the_first_ends(tmp_path):
    with (
        locked(tmp_path),
        pytest.raises(BlockingIOError, match="another process is training this run"),
        locked(tmp_path),
    ):
        pass
    with locked(tmp_path):
        pass


@has_locks
def test_a_killed_process_lets_go(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError), locked(tmp_path):
            pass
        holder.kill()
        holder.wait()
        with locked(tmp_path):
            pass


@has_locks
def test_the_lock_leaves_no_file(tmp_path):
    with locked(tmp_path):
        assert not list(tmp_path.iterdir())


@has_locks
def test_a_file_system_without_locks_is_no_obstacle(tmp_path, monkeypatch):
    def refuse(descriptor, operation):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    entered = []
    with locked(tmp_path):
        entered.append(tmp_path)
    assert entered == [tmp_path]

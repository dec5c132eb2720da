"""The first signal is noted, the second does what it always did."""

import os
import signal
import threading

import pytest

from minirmae.runs.interrupt import SIGNALS, deferred_signals


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

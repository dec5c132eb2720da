"""Processes that work together: every rank does its part, in order, and none outlives its use."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from minirmae.engines.cpu import blas
from minirmae.engines.cpu.pages import shared_copy
from minirmae.engines.cpu.parallel import Team, blocks, cores, default_workers

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork processes")


@pytest.mark.parametrize("size", [1, 2, 3])
def test_every_rank_works_on_its_message_in_a_process_of_its_own(size):
    with Team(size, lambda rank, message: (rank, message, os.getpid())) as team:
        for repeat in range(3):
            results = team.run([f"{repeat}{rank}" for rank in range(size)])
            assert [result[:2] for result in results] == [(rank, f"{repeat}{rank}") for rank in range(size)]
        assert [result[2] for result in results] == [os.getpid(), *team.processes]
        assert len(set(team.processes)) == size - 1


def test_shared_memory_is_seen_by_all():
    vector = shared_copy(np.arange(6, dtype=np.float32))

    def work(rank, message):
        vector[rank] += 10
        return None

    with Team(3, work) as team:
        team.run([None] * 3)
    np.testing.assert_array_equal(vector, np.float32([10, 11, 12, 3, 4, 5]))


def test_blas_has_one_thread_at_work_and_what_it_had_afterwards():
    if blas.threads() is None:
        pytest.skip("NumPy has no OpenBLAS of its own")
    before = blas.threads()
    with Team(2, lambda rank, message: blas.threads()) as team:
        assert team.run([None, None]) == [1, 1]
    assert blas.threads() == before


@pytest.mark.parametrize("guilty", [0, 1])
def test_an_exception_comes_out_and_ends_the_team(guilty):
    def work(rank, message):
        if rank == guilty:
            raise ValueError(f"rank {rank} cannot")
        return rank

    team = Team(2, work)
    (process,) = team.processes
    with pytest.raises(ValueError, match=f"rank {guilty} cannot"):
        team.run([None, None])
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_worker_that_dies_is_noticed():
    with Team(2, lambda rank, message: os._exit(1) if rank else rank) as team:
        with pytest.raises(RuntimeError, match="worker 1 of 2 has died"):
            team.run([None, None])
        assert team.processes == ()


@pytest.mark.parametrize("awake", [0, 0.05])
def test_large_messages_arrive_whole(awake, monkeypatch):
    monkeypatch.setattr("minirmae.engines.cpu.parallel.AWAKE", awake)
    array = np.random.default_rng(0).random(300_000)
    with Team(2, lambda rank, message: message * 2) as team:
        _, reply = team.run([array, array])
    np.testing.assert_array_equal(reply, 2 * array)


def test_a_process_that_waits_looks_again_and_again_while_it_is_awake(tmp_path, monkeypatch):
    monkeypatch.setattr("minirmae.engines.cpu.parallel.AWAKE", 60)
    looks, seen = [], tmp_path / "seen"
    with Team(2, lambda rank, message: rank and until(seen.exists)) as team:
        # Only this process counts, and its worker answers once it has looked ten times.
        monkeypatch.setattr(os, "sched_yield", lambda: (looks.append(1), seen.touch() if len(looks) == 10 else None))
        team.run([None, None])
    assert len(looks) >= 10


def test_a_process_that_has_waited_long_sleeps(monkeypatch):
    monkeypatch.setattr("minirmae.engines.cpu.parallel.AWAKE", 0)
    looks = []
    with Team(2, lambda rank, message: rank and time.sleep(0.1)) as team:
        monkeypatch.setattr(os, "sched_yield", lambda: looks.append(1))
        team.run([None, None])
    assert looks == []


def test_workers_end_with_the_process_that_made_them():
    code = (
        "import os, time; from minirmae.engines.cpu.parallel import Team;"
        "team = Team(3, lambda rank, message: rank); team.run([None] * 3);"
        "print(*team.processes, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    workers = [int(process) for process in done.stdout.split()]
    assert len(workers) == 2
    until(lambda: not any(alive(process) for process in workers))


def until(true):
    """Wait for what must come, and not for ever."""
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def alive(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_blocks_are_a_partition(monkeypatch):
    monkeypatch.setattr("minirmae.engines.cpu.parallel.VECTOR_BLOCK", 7)
    seen = np.zeros(100)
    for block in blocks(3, 50):
        seen[block] += 1
        assert block.stop - block.start <= 7
    assert seen[3:50].all()
    assert seen.sum() == 47


def test_a_worker_for_each_core_and_eight_images():
    assert default_workers(4) == 1
    assert default_workers(10**6) == cores()


def test_the_number_of_processes_is_checked():
    with pytest.raises(ValueError, match="size must be an integer of at least 1, got 0"):
        Team(0, print)

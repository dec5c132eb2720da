"""A worker's exit status and last words tell what became of its task."""

import signal

from comparison_tiny import tiny_plan

from minirmae.comparison import worker
from minirmae.comparison.paths import Paths
from minirmae.runs import NonFiniteLoss, TrainingInterrupted


def test_a_worker_tells_what_became_of_it(monkeypatch, capsys, tmp_path):
    Paths(tmp_path).write_plan(tiny_plan())

    def fails(error):
        def work(*arguments):
            raise error

        monkeypatch.setattr(worker, "work", work)
        status = worker.main([str(tmp_path), "train", "ae", "0"])
        return status, capsys.readouterr().err

    assert fails(NonFiniteLoss("the loss is inf")) == (worker.DIVERGED, "the loss is inf\n")
    assert fails(TrainingInterrupted("stopped", signal.SIGTERM)) == (143, "")
    assert fails(ValueError("no")) == (2, "ValueError: no\n")
    assert worker.main([str(tmp_path / "nothing"), "train", "ae", "0"]) == 2

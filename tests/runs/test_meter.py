"""Means are over the steps since the last record, and survive JSON."""

import json

from minirmae.runs import Step
from minirmae.runs.meter import Meter


def test_means_and_round_trip():
    meter = Meter()
    meter.add(Step(1, 0, False, 4, 0.1, 0.1, 0.5))
    meter = Meter(**json.loads(json.dumps(meter.to_json())))
    meter.add(Step(2, 0, True, 2, 0.2, 0.1, 1.0))
    assert meter.means() == {"loss": (0.1 + 0.2) / 2, "images_per_second": 4.0}

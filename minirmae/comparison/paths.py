"""Where the files of a comparison lie below its directory.

plan.json                   what was asked for
classifier/                 run of the classifier of images, if they have labels
principal-components.npz    the replacement of its features, if they have none
runs/METHOD-seedS/          one run, as `minirmae train` makes it
evaluations/METHOD-seedS    .json: the measures; .npz: pictures and map
report.md *.png comparison.json    the page
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minirmae.comparison.plan import Plan
from minirmae.files import write_text
from minirmae.runs import RunError


@dataclass(frozen=True)
class Paths:
    """The paths of the comparison in the directory `out`."""

    out: Path

    @property
    def plan(self) -> Path:
        return self.out / "plan.json"

    @property
    def classifier(self) -> Path:
        return self.out / "classifier"

    @property
    def components(self) -> Path:
        return self.out / "principal-components.npz"

    def run(self, method: str, seed: int) -> Path:
        """Directory of a run."""
        return self.out / "runs" / f"{method}-seed{seed}"

    def measures(self, method: str, seed: int) -> Path:
        """File of a run's measures."""
        return self.out / "evaluations" / f"{method}-seed{seed}.json"

    def pictures(self, method: str, seed: int) -> Path:
        """File of a run's pictures."""
        return self.out / "evaluations" / f"{method}-seed{seed}.npz"

    def require_usable(self) -> None:
        """Raise RunError if `out` holds something that is not a comparison."""
        if not self.out.exists() or self.plan.exists():
            return
        others = sorted(path.name for path in self.out.iterdir() if not path.name.startswith("."))
        if others:
            raise RunError(
                f"{self.out}: not empty, and not a comparison (it has {others[0]}); choose another directory"
            )

    def write_plan(self, plan: Plan) -> None:
        """Make the directories below `out` and write the plan; raises OSError if that fails."""
        for directory in (self.out / "runs", self.out / "evaluations"):
            directory.mkdir(exist_ok=True)
        write_text(self.plan, json.dumps(plan.to_json(), indent=2) + "\n")

    def read_plan(self) -> Plan:
        """Return the plan; raises what reading it raises."""
        return Plan.from_json(json.loads(self.plan.read_bytes()))

    def read_measures(self, method: str, seed: int) -> dict[str, Any] | None:
        """Return a run's measures, None if there are none yet."""
        path = self.measures(method, seed)
        return dict(json.loads(path.read_bytes())) if path.exists() else None

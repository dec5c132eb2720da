"""The theory of rank minimisation in deep linear networks: every theorem an executable check.

One file per result: its statement and hypotheses, its closed form, its
simulation with the library's own layers, and the distance between the two.
`run` checks them; the closed forms are functions on arrays that can be used
alone, each imported from its own module.
"""

from minirmae.theory.lab.table import table
from minirmae.theory.registry import ENTRIES, run

__all__ = ["ENTRIES", "run", "table"]

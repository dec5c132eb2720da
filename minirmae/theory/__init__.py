"""The theory of rank minimisation in deep linear networks: every theorem an executable check.

One file per result: its statement and hypotheses, its closed form, its
simulation with the library's own layers, and the distance between the two.
`run` checks them; the closed forms are functions on arrays that can be used alone.
"""

from minirmae.theory.registry import ENTRIES, run
from minirmae.theory.table import table
from minirmae.theory.two_layer import two_layer_half_time, two_layer_modes, two_layer_strengths

__all__ = ["ENTRIES", "run", "table", "two_layer_half_time", "two_layer_modes", "two_layer_strengths"]

"""Matrix completion: what depth finds and the smallest nuclear norm misses.

    python examples/theory_completion.py

A 16 x 16 matrix of rank 2 with 100 entries observed. Deep linear networks,
trained from the same tiny product matrix, against the certified solution of
smallest nuclear norm; errors are on the entries that are not observed.
"""

import numpy as np

from minirmae.measures.rank import effective_rank, product_spectrum
from minirmae.theory.lab.completion import random_completion
from minirmae.theory.lab.nuclear_norm import minimum_nuclear_norm
from minirmae.theory.t07_matrix_completion import train_completion


def report(name, W, problem):
    rank = effective_rank(product_spectrum(W))
    print(f"  {name:<22} error {problem.unobserved_error(W):7.4f}   effective rank {rank:5.2f}")


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    problem = random_completion(rng, 16, 2, 100)
    start = 1e-3 * rng.normal(size=(16, 16)) / 4
    report("the truth", problem.matrix, problem)
    report("smallest nuclear norm", minimum_nuclear_norm(problem.matrix, problem.observed).matrix, problem)
    for depth in (1, 2, 3):
        report(f"{depth} layers", train_completion(problem, start, depth, 10_000).matrices[-1], problem)

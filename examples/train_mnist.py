"""Train IRMAE on MNIST with the API alone: no command line, no run directory.

    python examples/train_mnist.py DIRECTORY_OF_IDX_FILES [STEPS]

What `minirmae train` adds to this loop is bookkeeping.
"""

import sys

import numpy as np

from minirmae.data import batches, idx_directory
from minirmae.measures.rank import summarize
from minirmae.models.autoencoder import ModelConfig, build
from minirmae.models.summary import summary
from minirmae.ops import mean_squared_error
from minirmae.optimizers import Adam


def main(directory, steps=300):
    data = idx_directory(directory, "train")
    held_out = idx_directory(directory, "evaluation").batch(np.arange(1000))
    model = build(ModelConfig.paper("mnist", linear_layers=8), np.random.default_rng(0))
    print(summary(model, data.shape))
    optimizer = Adam(learning_rate=1e-4)

    while optimizer.steps < steps:
        for indices in batches(len(data), 32, seed=0, epoch=optimizer.steps * 32 // len(data)):
            x = data.batch(indices)
            x_hat, backward = model(x)
            loss, loss_backward = mean_squared_error(x_hat, x)
            model.zero_grads()
            backward(loss_backward())
            optimizer.step(model.values, model.grads)
            if optimizer.steps % 50 == 0:
                ranks = summarize(model.encode(held_out))
                print(
                    f"step {optimizer.steps:5}  loss {float(loss):.4f}  "
                    f"rank {ranks.numerical_ranks[1e-3]} at 1e-3, effective rank {ranks.effective_rank:.1f}"
                )
            if optimizer.steps >= steps:
                break


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(sys.argv[1], *map(int, sys.argv[2:]))

"""A trained run's codes: of its evaluation images, with their ranks before and after the linear layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from minirmae.arrays import Array, array_module, asnumpy
from minirmae.data import Dataset, ordered_batches, to_device
from minirmae.engine import prepared
from minirmae.layers import LinearStack
from minirmae.measures.rank import THRESHOLD, RankSummary, numerical_rank, product_spectrum, summarize
from minirmae.models.autoencoder import Autoencoder
from minirmae.objectives.registry import recipe
from minirmae.ops import mean_squared_error
from minirmae.report.page import Table
from minirmae.runs import Run, evaluation_data

_BATCH = 256


@dataclass(frozen=True)
class Analysis:
    """What a run makes of its evaluation images.

    Attributes:
        label: what the model is, short enough for a legend.
        run: the run.
        step: number of training steps behind the weights.
        model: the trained autoencoder.
        dataset: the evaluation images.
        codes: z of those images (N, n), after the linear layers, on the model's device.
        loss: mean squared error of their reconstructions.
        ranks: rank measures of z.
        hidden_ranks: rank measures of h, before the linear layers.
        product: singular values of the linear layers' product; None without linear layers.
    """

    label: str
    run: Run
    step: int
    model: Autoencoder
    dataset: Dataset
    codes: Array
    loss: float
    ranks: RankSummary
    hidden_ranks: RankSummary
    product: Array | None


def analyse(run: Run, *, images: int = 10_000, device: str = "cpu") -> Analysis:
    """Encode and reconstruct at most `images` evaluation images of `run` on `device`.

    Raises what opening its checkpoint and its data raises.
    """
    checkpoint = run.checkpoint()
    model = run.model().to(device)
    computed = prepared(model, run.config.engine)
    dataset = evaluation_data(replace(run.config, evaluation_images=images))
    hidden, codes, total = [], [], 0.0
    for indices in ordered_batches(len(dataset), _BATCH):
        x = to_device(dataset.batch(indices, model.dtype), model.device)
        hidden.append(computed.encode_hidden(x))
        codes.append(computed.transform(hidden[-1]))
        loss, _ = mean_squared_error(computed.decode(codes[-1]), x)
        total += float(asnumpy(loss)) * len(x)
    xp, stack = array_module(codes[0]), model.bottleneck
    z = xp.concatenate(codes)
    has_product = isinstance(stack, LinearStack) and stack.layers > 0
    return Analysis(
        label=label(run),
        run=run,
        step=checkpoint.step,
        model=model,
        dataset=dataset,
        codes=z,
        loss=total / len(dataset),
        ranks=summarize(z),
        hidden_ranks=summarize(xp.concatenate(hidden)),
        product=asnumpy(product_spectrum(stack.collapse())) if has_product and isinstance(stack, LinearStack) else None,
    )


def label(run: Run) -> str:
    """Return a short name of what a run trains: "AE (l = 0)", "IRMAE (l = 4)", "IRMAE (l = 4, shared)"."""
    model = run.config.model
    if run.config.objective != "plain":
        title = recipe(run.config.objective).title
        return f"{title} (l = {model.linear_layers})" if model.linear_layers else title
    if model.linear_layers == 0:
        return "AE (l = 0)"
    variant = "" if model.variant == "linear" else f", {model.variant}"
    return f"IRMAE (l = {model.linear_layers}{variant})"


def unique_labels(analyses: Sequence[Analysis]) -> list[str]:
    """Return the label of each analysis, with the directory added where a label occurs twice."""
    labels = [a.label for a in analyses]
    return [
        f"{text}, {a.run.directory.name}" if labels.count(text) > 1 else text
        for text, a in zip(labels, analyses, strict=True)
    ]


def rank_table(labels: Sequence[str], analyses: Sequence[Analysis]) -> Table:
    """Return the rank measures of the codes as a table, one row for each run."""
    thresholds = analyses[0].ranks.numerical_ranks
    columns = ["model", "n", "steps", "loss", *(f"> {t:g}" for t in thresholds)]
    columns += ["effective", "stable", "before l", "product of l"]
    rows = []
    for text, a in zip(labels, analyses, strict=True):
        ranks = a.ranks
        row = [text, str(ranks.latent), str(a.step), f"{a.loss:.5f}", *map(str, ranks.numerical_ranks.values())]
        row += [
            f"{ranks.effective_rank:.2f}",
            f"{ranks.stable_rank:.2f}",
            str(a.hidden_ranks.numerical_ranks[THRESHOLD]),
        ]
        # Squared singular values, so that the threshold means the same as for a covariance.
        rows.append([*row, "" if a.product is None else str(numerical_rank(a.product**2, THRESHOLD))])
    return Table(columns, rows)

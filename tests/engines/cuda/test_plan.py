"""The launches of a step as data: complete, in an order that respects what they read, free of races."""

import cuda_models
import numpy as np
import pytest
from cuda_declarations import accesses, declared
from cuda_models import plan_of

from minirmae.engines.cuda.launch import Buffer
from minirmae.engines.cuda.layout import lay_out
from minirmae.engines.cuda.memory import CAPACITY, LOSSES, PROGRESS, RATES
from minirmae.models.autoencoder import PRESETS, ModelConfig, build


def mnist(batch, **options):
    return plan_of(build(ModelConfig.paper("mnist"), np.random.default_rng(0)), (60000, 32, 32, 1), batch, **options)


MODELS = {
    "conv": cuda_models.autoencoder(),
    "shared": cuda_models.autoencoder(shared=True),
    "fixed": cuda_models.autoencoder(trainable=False),
    "none": cuda_models.autoencoder(layers=0),
    "dense": cuda_models.dense(),
}


@pytest.fixture(params=MODELS)
def plan(request):
    return plan_of(MODELS[request.param], (22, 8, 8, 1), 8)


def test_arguments_are_those_that_the_kernels_declare(plan):
    for count in plan.batch_sizes:
        launches = plan.launches(count)
        layout = lay_out([*plan.state(), *(b for launch in launches for b in launch.buffers())], outside=("images",))
        for launch in launches:
            types = [str(a.dtype) for a in layout.bind(launch, 0, {"images": 0}).arguments]
            assert types == [kind for _, kind, _ in declared(launch.kernel)], launch.kernel


def test_the_last_batch_of_an_epoch_has_a_plan_of_its_own():
    assert plan_of(MODELS["conv"], (22, 8, 8, 1), 8).batch_sizes == (8, 6)
    assert plan_of(MODELS["conv"], (24, 8, 8, 1), 8).batch_sizes == (8,)
    assert plan_of(MODELS["conv"], (3, 8, 8, 1), 8).batch_sizes == (3,)


def overlaps(one, other):
    return one.name == other.name and one.start < other.end and other.start < one.end


def test_nothing_is_read_before_it_is_written(plan):
    """Whatever is read was uploaded, or written by a launch that comes before in the order of both lanes."""
    uploaded = {b.name for b in plan.state()} - {"grads"} | {"images"}
    for count in plan.batch_sizes:
        written = []
        for launch in plan.launches(count):
            scratch = ("partial", "tickets", "loss", "adam ticket")
            for buffer, writes in accesses(launch):
                if not writes and buffer.name not in uploaded and not buffer.name.startswith(scratch):
                    assert any(overlaps(buffer, w) for w in written), (launch.kernel, buffer)
            written += [buffer for buffer, writes in accesses(launch) if writes]


def test_every_gradient_is_written_once_before_adam(plan):
    for count in plan.batch_sizes:
        taken = np.zeros(plan.trained, int)
        launches = plan.launches(count)
        assert launches[-1].kernel == "adam"
        assert launches[-1].joins
        for launch in launches[:-1]:
            for buffer, writes in accesses(launch):
                if buffer.name == "grads":
                    assert writes
                    taken[buffer.start // 4 : buffer.end // 4] += 1
        assert (taken == 1).all()


def test_the_lanes_do_not_race(plan):
    """Side launches run beside every main launch between their fork and the join: they may share nothing written."""
    launches = plan.launches(plan.batch_sizes[0])
    for i, side in enumerate(launches):
        if side.lane == 0:
            continue
        for other in launches[i + 1 :]:
            if other.joins:
                break
            if other.lane == 0:
                for a, a_written in accesses(side):
                    for b, b_written in accesses(other):
                        # Flags of divergence are set to 1 by anybody, and read after the join.
                        race = (a_written or b_written) and overlaps(a, b) and a.name != PROGRESS.name
                        assert not race, (side.kernel, other.kernel, a, b)


def test_the_mnist_step_has_few_nodes():
    """What bounds a small batch is the number of launches that follow one another."""
    launches = mnist(32).launches(32)
    main = [launch for launch in launches if launch.lane == 0]
    assert len(launches) <= 40
    assert len(main) <= 25
    assert [launch.kernel for launch in main].count("chain") == 2


@pytest.mark.parametrize("batch", [1, 32, 1024])
def test_launches_of_a_preset_are_within_a_gpus_limits(batch):
    for launch in mnist(batch, replicas=64).launches(batch):
        assert launch.block <= 1024
        assert launch.block % 32 == 0


def test_memory_is_what_the_arrays_need():
    """Activations, their gradients and four vectors of parameters, and not much besides."""
    plan = mnist(32)
    layout = lay_out([*plan.state(), *(b for step in plan.launches(32) for b in step.buffers())], outside=("images",))
    activations = 32 * (sum(int(np.prod(s.outputs)) * s.layers for s in plan.stages) + 1024)
    least = 4 * (4 * plan.trained + 2 * activations)
    assert least < layout.bytes < 1.4 * least + 60000 * 4


def test_state_comes_first_and_does_not_move_with_the_batch():
    one, other = mnist(32), mnist(1024)
    layouts = [
        lay_out([*p.state(), *(b for step in p.launches(p.batch_size) for b in step.buffers())], outside=("images",))
        for p in (one, other)
    ]
    for buffer in (PROGRESS, RATES, LOSSES, Buffer("values", (1,)), Buffer("second_moment", (1,))):
        assert layouts[0].offset(buffer) == layouts[1].offset(buffer)
    assert CAPACITY == RATES.size == LOSSES.size


def test_presets_are_all_planned():
    for name in ("shapes", "mnist"):
        model = build(ModelConfig.paper(name), np.random.default_rng(0))
        assert plan_of(model, (100, *PRESETS[name].image), 32).launches(32)

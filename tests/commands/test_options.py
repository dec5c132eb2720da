"""Options are made from the fields of the configurations: every field has one, with its choices and its default."""

import argparse
import json
from dataclasses import fields

import pytest

from minirmae.commands import bench, compare, demo, main, train
from minirmae.commands.options import add_field
from minirmae.engine import ENGINES
from minirmae.models.autoencoder import ModelConfig
from minirmae.report import benchmark
from minirmae.runs import DTYPES, TrainingConfig


def options_of(command):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return {action.dest: action for action in parser._actions}


def test_every_field_of_the_configurations_is_an_option_of_train():
    names = {field.name for owner in (ModelConfig, TrainingConfig) for field in fields(owner)} - {"model"}
    options = options_of(train)
    assert names <= set(options)
    assert all(options[name].default is None for name in names), "what is given must be told from what is not"


def test_every_field_says_what_it_means():
    described = [field for field in fields(TrainingConfig) if field.name not in ("model", "settings")]
    assert all(field.metadata["help"] for field in (*fields(ModelConfig), *described))


@pytest.mark.parametrize(
    ("name", "kind", "choices", "text"),
    [
        ("batch_size", int, None, "images per step (default: 32)"),
        ("momentum", float, None, "of the optimizer momentum (default: 0.9)"),
        ("dtype", None, DTYPES, "of the parameters and all arithmetic (default: float32)"),
        ("decay_every", int, None, "schedule step: steps between two drops"),
        ("latent", int, None, "n, width of the code (default: the paper's)"),
    ],
)
def test_type_choices_and_default_are_the_field_s(name, kind, choices, text):
    option = options_of(train)[name]
    assert (option.type, option.choices, option.help) == (kind, choices, text)


def test_a_command_may_have_a_default_and_words_of_its_own():
    parser = argparse.ArgumentParser()
    add_field(parser, "batch_size", nargs="+", default=[32, 128])
    add_field(parser, "seed", meaning="of weights and images", shown="none")
    _, size, seed = parser._actions
    assert (size.help, seed.help) == ("images per step (default: 32 128)", "of weights and images (default: none)")
    assert vars(parser.parse_args(["--batch-size", "1", "2"])) == {"batch_size": [1, 2], "seed": None}


@pytest.mark.parametrize("command", [bench, compare, demo])
def test_the_engine_is_chosen_alike_everywhere(command):
    option = options_of(command)["engine"]
    assert (option.choices, option.default) == (ENGINES, "fast")


def test_bench_times_the_engine_that_was_chosen(monkeypatch, capsys):
    asked = []

    def recorded(config, batch, workers, **options):
        asked.append((batch, workers, options["engine"]))
        return benchmark.Timing(batch, workers, 1.0, 1.0, 1.0, 1.0, {})

    monkeypatch.setattr(benchmark, "measure", recorded)
    assert main(["bench", "--batch-size", "32", "64", "--engine", "reference", "--json"]) == 0
    assert asked == [(32, 1, "reference"), (64, 1, "reference")]
    assert json.loads(capsys.readouterr().out)["engine"] == "reference"

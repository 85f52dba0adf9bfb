"""Whole trainings: repeatable, resumable, found again, and better than before."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import uninas_bench as ub
from tests.plugins.arch2vec.toy import ToyWorkplace, small
from uninas_bench_plugins._arch2vec import training
from uninas_bench_plugins._arch2vec.evaluation import Figures, evaluate
from uninas_bench_plugins._arch2vec.graphs import RULES
from uninas_bench_plugins._arch2vec.settings import AutoencoderSettings, suited
from uninas_bench_plugins._arch2vec.training import (
    FIGURES,
    FILE,
    draw_architectures,
    read_figures,
    train_autoencoder,
)

TINY = {"depths": "1:1:1:1", "widths": "32:64:96:128"}


class KilledError(Exception):
    pass


def killed_after(writings, workplace):
    """The workplace, of a process that ends as soon as it has written so often."""
    write, count = workplace.write, 0

    def killed(name, data):
        nonlocal count
        write(name, data)
        count += 1
        if count == writings:
            raise KilledError

    workplace.write = killed
    return workplace


def state(folder):
    return torch.load(folder / FILE, weights_only=True)


def same(left, right):
    first, second = state(left), state(right)
    assert first["network"].keys() == second["network"].keys()
    assert all(torch.equal(value, second["network"][name]) for name, value in first["network"].items())
    assert all(torch.equal(*pair) for pair in zip(first["prior"], second["prior"], strict=True))
    assert (left / FIGURES).read_text() == (right / FIGURES).read_text()


@pytest.mark.parametrize(("mode", "schedule"), [("train", "linear"), ("released", "constant")])
def test_interrupted_trainings_end_bit_for_bit_the_same(tmp_path, mode, schedule):
    space, settings = ub.space("nasbench201"), small(mode=mode, schedule=schedule)
    train_autoencoder(space, settings, ToyWorkplace(tmp_path / "whole"))
    for at in (1, 2, 3):
        with pytest.raises(KilledError):
            train_autoencoder(space, settings, killed_after(at, ToyWorkplace(tmp_path / str(at))))
        assert len(state(tmp_path / str(at))["losses"]) == at
        torch.rand(3)  # the generator in force means nothing to a training
        workplace = ToyWorkplace(tmp_path / str(at))
        train_autoencoder(space, settings, workplace)
        assert [done for done, _, _ in workplace.reports] == [*range(at + 1, 4), 3]
        same(tmp_path / "whole", tmp_path / str(at))


def judged_as(monkeypatch, shares):
    """Let attempts be as good as the shares say, one after the other; returns what was judged."""
    seen = []

    def share(figures):
        seen.append(figures)
        return shares[len(seen) - 1]

    monkeypatch.setattr(training, "_share_of_goal", share)
    return seen


@pytest.mark.parametrize(
    ("shares", "kept", "made"), [((1.0,), 1, 1), ((0.4, 1.0), 2, 2), ((0.9, 0.4, 0.2), 1, 3)]
)
def test_attempts_end_with_the_first_good_one_and_the_best_is_kept(tmp_path, monkeypatch, shares, kept, made):
    space = ub.space("nats_size")
    seen = judged_as(monkeypatch, shares)
    train_autoencoder(space, small(attempts=3), ToyWorkplace(tmp_path))
    assert len(seen) == made
    assert json.loads((tmp_path / FIGURES).read_text())["attempt"] == kept
    alone = ToyWorkplace(tmp_path / "alone")
    generator = alone.generator
    streams = ("weights", "order", "noise")

    def shifted(stream=""):
        moved = kept > 1 and stream.startswith(streams)
        return generator(f"attempt {kept}/{stream}" if moved else stream)

    alone.generator = shifted
    train_autoencoder(space, small(), alone)
    first, second = state(tmp_path)["network"], state(tmp_path / "alone")["network"]
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_attempts_are_judged_by_what_comes_back_and_by_the_prior():
    figures = Figures(1.0, 1.0, dict.fromkeys(RULES, 0.96), dict.fromkeys(RULES, 0.7))
    assert training._share_of_goal(figures) == 1
    assert training._share_of_goal(replace(figures, reconstruction=0.05)) < 0.06
    assert training._share_of_goal(replace(figures, validity={**figures.validity, "strict": 0.5})) < 0.6


@pytest.mark.parametrize("at", [2, 3, 4, 5])
def test_an_interrupted_second_attempt_goes_on(tmp_path, monkeypatch, at):
    """Three epochs each: the fourth state is of the second attempt."""
    space, settings = ub.space("nasbench201"), small(attempts=2)
    judged_as(monkeypatch, (0.5, 0.6))
    train_autoencoder(space, settings, ToyWorkplace(tmp_path / "whole"))
    judged_as(monkeypatch, (0.5,))
    with pytest.raises(KilledError):
        train_autoencoder(space, settings, killed_after(at, ToyWorkplace(tmp_path / "killed")))
    assert state(tmp_path / "killed")["attempt"] == 1 + (at > 3)
    judged_as(monkeypatch, (0.5, 0.6) if at <= 3 else (0.6,))
    train_autoencoder(space, settings, ToyWorkplace(tmp_path / "killed"))
    same(tmp_path / "whole", tmp_path / "killed")


def test_seeds_differ_and_nothing_global_is_touched(tmp_path):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    latents = []
    for number, seed in enumerate((0, 0, 1)):
        workplace = ToyWorkplace(tmp_path / str(number), seed)
        made = train_autoencoder(ub.space("nats_size"), small(epochs=1), workplace)
        latents.append(made.encode([ub.space("nats_size").parse("8:16:24:32:64")]))
    assert torch.equal(latents[0], latents[1])
    assert not torch.equal(latents[0], latents[2])
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_what_is_finished_is_found_again(tmp_path):
    space = ub.space("nasbench201")
    architectures = space.sample(5, np.random.default_rng(0))
    first = train_autoencoder(space, small(), ToyWorkplace(tmp_path))
    workplace = ToyWorkplace(tmp_path)
    again = train_autoencoder(space, small(), workplace)
    assert workplace.reports == []
    assert torch.equal(first.encode(architectures), again.encode(architectures))
    with pytest.raises(
        ub.UserError, match=r"an autoencoder of nasbench201 .*kl=1\.0.*expected one of .*kl=2"
    ):
        train_autoencoder(space, small(kl=2.0), workplace)
    with pytest.raises(ub.UserError, match="expected one of nats_size"):
        train_autoencoder(ub.space("nats_size"), small(), workplace)


def test_training_lowers_the_loss(tmp_path):
    space = ub.space("nats_size")
    settings = small(architectures=500, epochs=4, lr=0.01, held_out=0.2)
    train_autoencoder(space, settings, ToyWorkplace(tmp_path))
    notes = json.loads((tmp_path / FIGURES).read_text())
    assert (notes["drawn"], notes["trained"], notes["held_out"]) == (500, 400, 100)
    losses = notes["losses"]
    assert losses[0] > losses[1] > losses[2] > losses[3]
    assert losses[3] < 0.7 * losses[0]


def test_the_rate_falls_to_nothing_after_the_last_epoch(tmp_path):
    """The saved optimizer has the rate of the epoch that it has just finished."""
    workplace, rates = ToyWorkplace(tmp_path), []
    write = workplace.write

    def noted(name, data):
        write(name, data)
        if name == FILE and "optimizer" in state(tmp_path):
            rates.append(state(tmp_path)["optimizer"]["param_groups"][0]["lr"])

    workplace.write = noted
    train_autoencoder(ub.space("nats_size"), small(epochs=4, lr=0.04, schedule="linear"), workplace)
    assert rates == pytest.approx([0.04, 0.03, 0.02, 0.01])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nasbench201_comes_back_and_its_prior_is_valid(tmp_path):
    """The prior depends on the seed, so the first attempt may not be the last."""
    space = ub.space("nasbench201")
    train_autoencoder(space, suited("nasbench201"), ToyWorkplace(tmp_path))
    figures = read_figures(tmp_path)
    assert figures.reconstruction >= 0.99
    assert figures.validity["operations"] >= 0.9
    assert figures.validity["strict"] >= 0.94
    assert figures.uniqueness["strict"] >= 0.6


def test_the_released_mode_freezes_norms_and_noise_after_the_first_epoch(tmp_path):
    space = ub.space("nasbench201")
    means = {}
    for mode in ("released", "train"):
        for epochs in (1, 3):
            folder = tmp_path / f"{mode}{epochs}"
            train_autoencoder(space, small(mode=mode, epochs=epochs), ToyWorkplace(folder))
            weights = state(folder)["network"]
            means[mode, epochs] = weights["encoder.layers.2.norm.running_mean"]
            means[mode, epochs, "weights"] = weights["encoder.mean.weight"]
    assert torch.equal(means["released", 1], means["released", 3])
    assert not torch.equal(means["released", 1, "weights"], means["released", 3, "weights"])
    assert not torch.equal(means["train", 1], means["train", 3])
    assert torch.equal(means["train", 1], means["released", 1])


def test_latents_are_flat_and_independent_of_their_company(tmp_path):
    space = ub.space("nasbench201")
    made = train_autoencoder(space, small(), ToyWorkplace(tmp_path))
    assert made.size == 8 * 8
    architectures = space.sample(700, np.random.default_rng(1))
    latents = made.encode(architectures)
    assert latents.shape == (700, 64)
    assert latents.dtype == torch.float32
    assert not latents.requires_grad
    assert torch.allclose(made.encode(architectures[600:603]), latents[600:603], atol=1e-6)
    assert made.encode([]).shape == (0, 64)
    assert made.decode(latents[:0]) == []
    decoded = made.decode(latents)
    assert len(decoded) == 700
    assert decoded[600:603] == made.decode(latents[600:603])


def test_the_prior_has_the_moments_of_the_training_latents(tmp_path):
    space, settings = ub.space("nasbench201"), small()
    workplace = ToyWorkplace(tmp_path)
    made = train_autoencoder(space, settings, workplace)
    trained = draw_architectures(space, settings, workplace.generator("architectures"))[20:]
    latents = made.encode(trained)
    assert torch.allclose(made.prior[0], latents.mean(0), atol=1e-5)
    assert torch.allclose(made.prior[1], latents.std(0), rtol=1e-4, atol=1e-6)
    drawn = made.sample(20_000, torch.Generator().manual_seed(0))
    assert torch.allclose(drawn.mean(0), made.prior[0], atol=0.05 * float(made.prior[1].max()))
    assert torch.allclose(drawn.std(0), made.prior[1], rtol=0.05)


def test_fixed_edges_are_not_learned(tmp_path):
    space = ub.space("nasbench201")
    made = train_autoencoder(space, small(adjacency="fixed"), ToyWorkplace(tmp_path))
    noise = made.sample(50, torch.Generator().manual_seed(0))
    assert made.decode(noise, "strict") == made.decode(noise, "operations")
    figures = read_figures(tmp_path)
    assert figures.validity["strict"] == figures.validity["operations"]
    with pytest.raises(ub.UserError, match="graphs of uninas do not share their edges"):
        train_autoencoder(
            ub.space("uninas").scaled(**TINY),
            small(adjacency="fixed", architectures=3),
            ToyWorkplace(tmp_path / "uninas"),
        )


@pytest.mark.parametrize(("name", "size"), [("hytra", 18 * 8), ("mbconv", 20 * 8)])
def test_other_spaces_run_from_end_to_end(tmp_path, name, size):
    space = ub.space(name)
    made = train_autoencoder(space, small(epochs=1), ToyWorkplace(tmp_path))
    latents = made.encode(space.sample(3, np.random.default_rng(0)))
    assert latents.shape == (3, size)
    assert len(made.decode(latents, "strict")) == 3
    assert read_figures(tmp_path).validity.keys() == set(RULES)


def test_blocks_run_from_end_to_end(tmp_path):
    space = ub.space("uninas").scaled(**TINY)
    settings = small(architectures=30, epochs=2, nodes=40)
    made = train_autoencoder(space, settings, ToyWorkplace(tmp_path))
    notes = json.loads((tmp_path / FIGURES).read_text())
    assert notes["drawn"] == 30
    assert 15 < notes["trained"] + notes["held_out"] < 30  # some have longer blocks
    architecture = space.parse("R | E | R | E")
    latents = made.encode([architecture, architecture])
    assert latents.shape == (2, 4 * made.encoding.nodes * 8)
    blocks = latents[0].view(4, made.encoding.nodes, 8)
    assert torch.equal(blocks[0], blocks[2])
    assert not torch.equal(blocks[0], blocks[1])
    # Six operations, a zero, input, sum and output.
    assert blocks[0, :10].any(1).all()
    assert not blocks[0, 10:].any()
    again = train_autoencoder(space, settings, ToyWorkplace(tmp_path))
    assert again.encoding.names == made.encoding.names
    assert torch.equal(again.encode([architecture]), latents[:1])
    assert len(again.decode(latents)) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"held_out": 1.0}, "held_out=1.0: expected at least 0 and less than 1"),
        ({"epochs": 0}, "epochs=0: expected at least 1"),
        ({"hops": 1}, "hops=1: expected at least 2"),
        ({"kl": -1.0}, "kl=-1.0: expected 0 or more"),
        ({"lr": 0.0}, "lr=0.0: expected more than 0"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ub.UserError, match=message):
        small(**settings)


def test_what_suits_a_space_fits_it(tmp_path):
    """Fixed edges where all graphs share them, and nowhere else; changes have the last word."""
    for name in ("nasbench201", "nats_size", "hytra", "mbconv", "uninas"):
        space = ub.space(name)
        encoding = training.learned_encoding(space, space.sample(1, np.random.default_rng(0)), 200)
        assert suited(name).adjacency != "fixed" or encoding.edges is not None
        assert suited(name, epochs=3, adjacency="all") == replace(suited(name), epochs=3, adjacency="all")
    assert suited("other") == AutoencoderSettings()


def test_nothing_to_train_on(tmp_path):
    space = ub.space("uninas").scaled(**TINY)
    with pytest.raises(ub.UserError, match="none of 3 is left to train on"):
        train_autoencoder(space, small(architectures=3, nodes=4), ToyWorkplace(tmp_path))


def test_nothing_held_out_is_no_number(tmp_path):
    train_autoencoder(ub.space("nasbench201"), small(epochs=1, held_out=0.0), ToyWorkplace(tmp_path))
    assert np.isnan(read_figures(tmp_path).reconstruction)


class Known:
    """Decodes to graphs that were made by hand."""

    def __init__(self, encoding, graphs):
        self.encoding = encoding
        self.made = graphs

    def encode(self, architectures):
        return torch.zeros(len(architectures), 1)

    def sample(self, count, generator):
        return torch.zeros(count, 1)

    def graphs(self, latents):
        return iter(self.made[: len(latents)])


def test_figures_of_graphs_made_by_hand():
    space = ub.space("nasbench201")
    encoding = training.known_encoding(space, (), 0)
    held_out = [space.parse(str(number)) for number in (0, 1, 2, 2)]
    graphs = [encoding.encode(architecture) for architecture in held_out]
    graphs[0].operations[0, 1] = 0  # another operation, which the arch2vec rule does not see
    graphs[1].adjacency[0, 0, 7] = True  # another edge, which the strict rule alone sees
    figures = evaluate(Known(encoding, graphs), held_out, torch.Generator(), samples=4)
    assert (figures.reconstruction, figures.operations) == (0.5, 0.75)
    assert figures.validity == {"arch2vec": 1.0, "operations": 0.75, "strict": 0.5}
    assert figures.uniqueness == {"arch2vec": 3 / 4, "operations": 2 / 3, "strict": 1 / 2}

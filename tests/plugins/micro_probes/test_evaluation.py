"""Networks on the six probes: what they learn, and that nothing else decides it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.plugins.micro_probes.toy import KINDS, LinearModel, ResidualCNN, SmallCNN
from uninas_bench import UserError
from uninas_bench_plugins._micro_probes.evaluation import evaluate
from uninas_bench_plugins._micro_probes.probes.catalogue import PROBES
from uninas_bench_plugins._micro_probes.probes.images import ImagePool
from uninas_bench_plugins._micro_probes.settings import MicroProbesSettings
from uninas_bench_plugins._micro_probes.standardising import SIGNS, z_scores


def quick(**settings):
    return MicroProbesSettings(**{"data": 16, "test": 12, "epochs": 2, "batch": 8, "side": 16} | settings)


def scores(evaluation):
    return {name: result.score for name, result in evaluation.results.items()}


def cnn():
    return SmallCNN(4)


def test_the_same_again() -> None:
    first = evaluate(ResidualCNN, quick(), seed=0)
    torch.rand(5)
    again = evaluate(ResidualCNN, quick(), seed=0)
    assert scores(again) == scores(first)
    assert [r.losses for r in again.results.values()] == [r.losses for r in first.results.values()]
    assert scores(evaluate(ResidualCNN, quick(), seed=1)) != scores(first)


def test_probes_do_not_depend_on_each_other() -> None:
    everything = scores(evaluate(ResidualCNN, quick(), seed=0))
    for name in ("rm", "vm"):
        alone = evaluate(ResidualCNN, quick(probes=name), seed=0)
        assert scores(alone) == {name: everything[name]}


def test_every_probe_begins_with_the_same_weights() -> None:
    built = []

    def build():
        built.append(ResidualCNN())
        return built[-1]

    evaluate(build, quick(lr=0.0, epochs=1), seed=0)
    assert len(built) == 6
    for network in built:
        assert torch.equal(network.stem.weight, built[0].stem.weight)
    evaluate(build, quick(lr=0.0, epochs=1, probes="mf"), seed=1)
    assert not torch.equal(built[-1].stem.weight, built[0].stem.weight)


def test_global_generators_are_left_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    evaluate(ResidualCNN, quick(probes="csb"), seed=0)
    assert torch.equal(torch.get_rng_state(), before)


def test_every_kind_of_network_is_scored() -> None:
    for kind, build in KINDS.items():
        found = evaluate(build, quick(side=32, data=8, test=4, epochs=1), seed=0)
        assert list(found.results) == list(PROBES)
        for name, result in found.results.items():
            assert math.isfinite(result.score), (kind, name)
            assert result.steps == len(result.losses) == 1
            assert not result.truncated


def test_results_say_how_they_came_about() -> None:
    result = evaluate(cnn, quick(probes="vm"), seed=0).results["vm"]
    assert result.score == pytest.approx(2 * result.test - result.train)
    assert result.baselines["blind"] == pytest.approx(1 / 20)
    assert result.steps == 4
    assert evaluate(cnn, quick(probes="csb"), seed=0).results["csb"].train is None


def test_data_and_epochs_are_what_is_trained_on() -> None:
    steps = {(32, 1): 4, (32, 3): 12, (64, 1): 8}
    for (data, epochs), expected in steps.items():
        assert (
            evaluate(cnn, quick(probes="mf", data=data, epochs=epochs), seed=0).results["mf"].steps
            == expected
        )


def test_without_recalibration_statistics_lag() -> None:
    settings = quick(probes="mf", epochs=1)
    with_, without = (
        evaluate(cnn, MicroProbesSettings(**{**vars(settings), "recalibrate": on}), seed=0).results["mf"]
        for on in (True, False)
    )
    assert with_.losses == without.losses
    assert with_.score != without.score


def test_options_reach_the_probe() -> None:
    result = evaluate(cnn, quick(probes="vm", options="vm.classes:5"), seed=0).results["vm"]
    assert result.baselines["blind"] == pytest.approx(1 / 5)
    with pytest.raises(UserError, match='no vm option "clases"'):
        evaluate(cnn, quick(probes="vm", options="vm.clases:5"), seed=0)


def test_predictions_are_kept_where_asked_for() -> None:
    kept = evaluate(cnn, quick(probes="rm"), seed=0, keep=True).results["rm"]
    assert kept.predict(torch.zeros(3, 2, 3, 16, 16)).shape == (3, 4)
    assert evaluate(cnn, quick(probes="rm"), seed=0).results["rm"].predict is None


def test_what_diverges_has_no_score() -> None:
    """Steps of such a length overflow; the probes after the first are tried all the same."""
    done = []
    found = evaluate(cnn, quick(lr=1e38), seed=0, progress=lambda name, _result: done.append(name))
    assert done == list(PROBES)
    for result in found.results.values():
        assert math.isnan(result.score)
        assert not math.isfinite(result.losses[-1])
        assert result.steps < 4
        assert not result.truncated


class NoNumbersInEval(SmallCNN):
    """Trains like any other."""

    def forward(self, images):
        self.body.register_forward_hook(
            lambda _module, _inputs, out: out if self.training else out * math.nan
        )
        return super().forward(images)


def test_outputs_that_are_no_numbers_have_no_score() -> None:
    """The largest of NaN has an index, which must not become an accuracy."""
    result = evaluate(NoNumbersInEval, quick(probes="csb", recalibrate=False), seed=0).results["csb"]
    assert all(map(math.isfinite, result.losses))
    assert math.isnan(result.score)


def test_a_limit_is_kept_and_said() -> None:
    """On a clock that only the networks' passes move: half of what the whole takes."""
    now = [0.0]

    class Timed(SmallCNN):
        def __init__(self) -> None:
            super().__init__(4)

        def forward(self, images):
            now[0] += len(images) / 8
            out = super().forward(images)
            if self.training:
                now[0] += 2 * len(images) / 8
            return out

    def clock():
        return now[0]

    settings = {"data": 64, "test": 64, "epochs": 4}
    whole = evaluate(Timed, quick(**settings), seed=0, clock=clock)
    assert not whole.truncated
    limit = whole.seconds / 2
    cut = evaluate(Timed, quick(**settings, seconds=limit), seed=0, clock=clock)
    assert cut.truncated
    assert 0.8 * limit < cut.seconds < 1.1 * limit
    for name, result in cut.results.items():
        assert result.losses == pytest.approx(whole.results[name].losses[: result.steps])
    roomy = evaluate(Timed, quick(**settings, seconds=1.5 * whole.seconds), seed=0, clock=clock)
    assert scores(roomy) == scores(whole)
    assert not roomy.truncated


def test_real_images_take_the_place_of_drawn_ones() -> None:
    rng = np.random.default_rng(0)
    pool = ImagePool.of(rng.integers(0, 256, (200, 3, 20, 20), dtype=np.uint8), np.arange(200) % 25)
    drawn, real = (evaluate(cnn, quick(), seed=0, images=images).results for images in (None, pool))
    changed = {name for name in drawn if drawn[name].losses != real[name].losses}
    assert changed == {"lgj", "oip", "rm", "vm"}


def test_examples_are_made_once() -> None:
    made = []

    class Counting(SmallCNN):
        def __init__(self) -> None:
            super().__init__(4)
            made.append(1)

    settings = quick(data=24)
    first = evaluate(Counting, settings, seed=5)
    again = evaluate(Counting, settings, seed=5)
    assert again.data_seconds < 0.1 * max(first.data_seconds, 0.01)
    assert len(made) == 12


@pytest.mark.slow
def test_more_of_a_network_scores_more() -> None:
    """At the default settings: a linear model, a small CNN, a wider one; and who looks at no image."""
    import pandas as pd

    settings = MicroProbesSettings()
    kinds = {"linear": LinearModel, "small": lambda: SmallCNN(8), "wide": lambda: SmallCNN(32)}
    found = {name: evaluate(build, settings, seed=0).results for name, build in kinds.items()}
    frame = pd.DataFrame(
        {name: {p: r.score for p, r in results.items()} for name, results in found.items()}
    ).T
    total = z_scores(frame[list(SIGNS)]).sum(axis=1)
    assert total["linear"] < total["small"] < total["wide"], frame
    for name, result in found["wide"].items():
        blind = result.baselines["blind"]
        assert SIGNS[name] * (result.test - blind) > 0.05 * blind, (name, result.test, blind)

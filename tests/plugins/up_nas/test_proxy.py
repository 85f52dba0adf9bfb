"""The proxy as users meet it: fitted once by the harness, then it only predicts."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr

import uninas_bench as ub
from uninas_bench import Architecture, FitContext, UserError
from uninas_bench.testing.proxies import ProxyTestCase
from uninas_bench_plugins._up_nas.model import read_model
from uninas_bench_plugins.up_nas import UpNas

TINY = {
    "members": "params+flops",
    "weights": "sum",
    "source": "gaussian",
    "architectures": 48,
    "epochs": 4,
    "width": 16,
    "autoencoder_epochs": 1,
    "autoencoder_architectures": 64,
    "steps": 60,
    "rate": 0.02,
}
CELLS = ub.space("nasbench201", channels=4, cells=1)
SAMPLE = CELLS.sample(6, np.random.default_rng(3))


def proxy(**changes: Any) -> UpNas:
    return UpNas().with_settings(**{**TINY, **changes})


def scored(of: UpNas, architectures: Any = SAMPLE, **options: Any) -> dict[str, float]:
    frame = ub.score(architectures, [of], **{"space": CELLS, "task": "digits", **options})
    assert (frame["status"] == "ok").all(), frame["message"].tolist()
    return dict(zip(frame["architecture"], frame["value"], strict=True))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNINAS_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fits(cache: Path) -> list[Path]:
    return sorted(file.parent for file in cache.glob("fitted/up_nas/*/complete.json"))


class TestUpNas(ProxyTestCase):
    def make_proxy(self) -> UpNas:
        return proxy()


def test_weights_and_ascent_share_a_fit_that_predicts(cache: Path) -> None:
    sizes = {"architectures": 300, "epochs": 40, "width": 64, "autoencoder_architectures": 600}
    test = CELLS.sample(60, np.random.default_rng(8))
    texts = ("sum", "params:1+flops:0", "params:0+flops:1", "params:0.5+flops:-2")
    found = [
        np.array(list(scored(proxy(weights=text, rule=rule, **sizes), test).values()))
        for text, rule in zip(texts, ("operations", "strict", "operations", "arch2vec"), strict=True)
    ]
    assert len(fits(cache)) == 1
    together, params, flops, mixed = found
    np.testing.assert_allclose(together, params + flops, atol=1e-5)
    np.testing.assert_allclose(mixed, 0.5 * params - 2 * flops, atol=1e-5)
    costs = [CELLS.costs(architecture, CELLS.tasks[0]) for architecture in test]
    assert spearmanr(params, [cost.params for cost in costs]).statistic > 0.9
    assert spearmanr(flops, [cost.flops for cost in costs]).statistic > 0.9


def test_what_is_predicted_is_the_place_among_the_training_scores(cache: Path) -> None:
    scored(proxy())
    (folder,) = fits(cache)
    notes = json.loads((folder / "up_nas.json").read_text())
    assert notes["architectures"] == 48
    assert notes["missing"] == []
    with sqlite3.connect(folder / "scores.db") as connection:
        assert connection.execute("SELECT count(*) FROM cells").fetchone() == (96,)
    model = read_model(folder, CELLS, proxy().settings)
    predicted = model.predict(SAMPLE)
    assert predicted.shape == (6, 2)
    assert scored(proxy()) == {
        a.encoding: pytest.approx(float(row.sum()), abs=1e-5)
        for a, row in zip(SAMPLE, predicted, strict=True)
    }


def test_it_proposes_nothing_worse(cache: Path) -> None:
    of = proxy()
    before = scored(of)
    (folder,) = fits(cache)
    found = of.propose(CELLS, SAMPLE, folder, 0)
    after = scored(of, found)
    assert all(after[new.encoding] >= before[old.encoding] for old, new in zip(SAMPLE, found, strict=True))


def test_the_strategies_search_with_it(cache: Path, tmp_path: Path) -> None:
    best = {}
    for strategy in ("ascent", "random", "evolution"):
        result = ub.search(
            CELLS, proxy(), task="digits", strategy=strategy, iterations=40, population=8, steps=1,
            store=tmp_path / "scores.db",
        )  # fmt: skip
        assert result.candidates.failed == 0
        best[strategy] = result.candidates.candidates[0].score
    assert len(fits(cache)) == 1
    assert np.isfinite(list(best.values())).all()


@pytest.mark.parametrize(
    ("name", "options", "more"),
    [
        ("nats_size", {}, {"members": "params+channels", "weights": "params:1+channels:0.5"}),
        ("hytra", {"task": "imagenet1k@64"}, {"autoencoder_architectures": 200}),
    ],
)
def test_other_spaces(cache: Path, name: str, options: dict[str, Any], more: dict[str, Any]) -> None:
    space = ub.space(name)
    sample = space.sample(3, np.random.default_rng(0))
    of = proxy(**more)
    values = scored(of, sample, space=space, **{"task": space.tasks[0], **options})
    assert len(set(values.values())) == 3
    (folder,) = fits(cache)
    for start, found in zip(sample, of.propose(space, sample, folder, 0), strict=True):
        assert space.parse(found.encoding) == found
        model = read_model(folder, space, of.settings)
        scores = model.scores_of([start, found])
        assert scores[found] >= scores[start]


def test_scores_of_a_file_need_no_images(cache: Path, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "architecture": [a.encoding for a in CELLS.sample(40, np.random.default_rng(1))],
            "mine": np.random.default_rng(2).normal(size=40),
            "theirs": [float("nan"), *range(39)],
        }
    )
    path = tmp_path / "scores.csv"
    frame.to_csv(path, index=False)
    options = {"scores": str(path), "members": "", "weights": "mine:1+theirs:-1", "architectures": 0}
    of = proxy(source="task", **options)
    messages: list[str] = []
    # Images of imagenet1k are nowhere at hand.
    scored(of, task="imagenet1k@16", fitting=lambda event: messages.append(event.text))
    assert "theirs: 1 of 40 architectures count as the worst: no score in the file" in messages
    (folder,) = fits(cache)
    assert not (folder / "scores.db").exists()
    frame.assign(mine=frame["mine"] + 1).to_csv(path, index=False)
    scored(proxy(source="task", **options), task="imagenet1k@16")
    assert len(fits(cache)) == 2, "another content is another fit"


def test_weights_are_found_on_accuracies(cache: Path, tmp_path: Path) -> None:
    """Accuracy is minus the parameters plus noise: their weight has to become negative."""
    space = ub.space("nasbench201")
    architectures = space.sample(200, np.random.default_rng(1))
    rng = np.random.default_rng(0)
    scores = pd.DataFrame(rng.normal(size=(200, 2)), columns=["good", "bad"])
    encodings = [a.encoding for a in architectures]
    scores.assign(architecture=encodings).to_csv(tmp_path / "scores.csv", index=False)
    accuracy = 80 + scores["good"] - scores["bad"] + 0.1 * rng.normal(size=200)
    table = pd.DataFrame({"architecture": encodings, "accuracy": accuracy})
    table[:50].to_csv(tmp_path / "accuracies.csv", index=False)
    files = {"scores": str(tmp_path / "scores.csv"), "accuracies": str(tmp_path / "accuracies.csv")}
    of = proxy(weights="tpe", members="good+bad", architectures=0, trials=60, **files)
    scored(of, architectures[:2], space=space)
    (folder,) = fits(cache)
    notes = json.loads((folder / "up_nas.json").read_text())["tpe"]
    assert notes["weights"]["good"] > 0.3
    assert notes["weights"]["bad"] < -0.3
    assert notes["architectures"] == 50
    assert notes["tau"] > 0.85
    model = read_model(folder, space, of.settings)
    assert model.weights.tolist() == pytest.approx(list(notes["weights"].values()))
    table[:4].to_csv(tmp_path / "accuracies.csv", index=False)
    few = proxy(weights="tpe", members="good+bad", architectures=0, **files)
    with pytest.raises(UserError, match=r"accuracies: of 4 architectures 4 have scores.*need at least 10"):
        scored(few, architectures[:2], space=space)


def test_a_space_without_graphs_is_declined(cache: Path, tmp_path: Path) -> None:
    from tests.engine.toy import TASK, Toy

    path = tmp_path / "scores.csv"
    pd.DataFrame({"architecture": [a.encoding for a in Toy().enumerate()], "mine": range(27)}).to_csv(path)
    of = proxy(scores=str(path), members="mine")
    frame = ub.score([Architecture("toy", "abc")], [of], space=Toy(), task=TASK)
    assert frame["status"].tolist() == ["not-applicable"]
    assert "no graphs of toy are known" in frame["message"].item()


def test_failures_count_as_the_worst_with_their_reason(cache: Path) -> None:
    """What is not connected has no nwot; it is learned as the worst, and the fit says so."""
    messages: list[str] = []
    of = proxy(members="params+nwot", batch=4, architectures=120)
    scored(of, SAMPLE[:1], fitting=lambda event: messages.append(event.text))
    (folder,) = fits(cache)
    (line,) = json.loads((folder / "up_nas.json").read_text())["missing"]
    assert line in messages
    assert line.startswith("nwot: ")
    assert "of 120 architectures count as the worst: not-applicable, " in line


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"members": "params+nwto"}, 'no proxy "nwto"; did you mean "nwot"'),
        ({"members": "", "weights": "params:1+flosp:1"}, 'no proxy "flosp"; did you mean "flops"'),
        ({"members": "params+bossnas"}, "members: bossnas is fitted to a space itself"),
        ({"architectures": 15}, "15 architectures are fewer than a batch of 16"),
        ({"minibatch": 64}, "48 architectures are fewer than a batch of 64"),
        ({"scores": "FILE", "members": "flat+mine"}, "flat is 1 for all 20 architectures"),
        ({"scores": "FILE", "members": "mine+theirs"}, "no scores of theirs"),
        (
            {"scores": "FILE", "members": "mine", "minibatch": 21},
            "20 architectures are fewer than a batch of 21",
        ),
    ],
)
def test_mistakes_end_in_one_line(cache: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = tmp_path / "scores.csv"
    encodings = [a.encoding for a in CELLS.sample(20, np.random.default_rng(1))]
    pd.DataFrame({"architecture": encodings, "mine": range(20), "flat": 1}).to_csv(path, index=False)
    changes = {key: str(path) if value == "FILE" else value for key, value in changes.items()}
    with pytest.raises(UserError) as caught:
        scored(proxy(**changes))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


_DRIVER = """
import json, sys
import uninas_bench as ub
from uninas_bench_plugins.up_nas import UpNas
settings = json.loads(sys.argv[1])
space = ub.space("nasbench201", channels=4, cells=1)
frame = ub.score(["6111", "0"], [UpNas().with_settings(**settings)], space=space, task="digits")
print(*(value.hex() for value in frame["value"]))
"""


def drive(cache: Path, **changes: Any) -> subprocess.Popen[str]:
    settings = {**TINY, "members": "params+nwot", "batch": 4, "architectures": 100, **changes}
    return subprocess.Popen(
        [sys.executable, "-c", _DRIVER, json.dumps(settings)],
        env={**os.environ, "UNINAS_BENCH_CACHE": str(cache), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def waiting(cache: Path, done: Callable[[Path], bool]) -> None:
    for _ in range(6000):
        folders = list(cache.glob("fitted/up_nas/*/"))
        if folders and done(folders[0]):
            return
        time.sleep(0.02)
    raise AssertionError("nothing is fitted")


def some_scores(folder: Path) -> bool:
    store = folder / "scores.db"
    if not store.exists():
        return False
    try:
        with sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True, timeout=10) as connection:
            return bool(connection.execute("SELECT count(*) FROM cells").fetchone()[0] >= 10)
    except sqlite3.OperationalError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("when", [some_scores, lambda folder: (folder / "autoencoder.pt").exists()])
def test_a_killed_fit_goes_on_where_it_was(tmp_path: Path, when: Callable[[Path], bool]) -> None:
    undisturbed = drive(tmp_path / "whole", autoencoder_epochs=40)
    out, err = undisturbed.communicate(timeout=200)
    assert undisturbed.returncode == 0, err
    killed = drive(tmp_path / "part", autoencoder_epochs=40)
    waiting(tmp_path / "part", when)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=30)
    assert fits(tmp_path / "part") == []
    resumed = drive(tmp_path / "part", autoencoder_epochs=40)
    again, err = resumed.communicate(timeout=200)
    assert resumed.returncode == 0, err
    assert again == out
    (folder,) = fits(tmp_path / "part")
    assert json.loads((folder / "complete.json").read_text())["resumed"]
    with sqlite3.connect(folder / "scores.db") as connection:
        assert connection.execute("SELECT count(*) FROM cells").fetchone() == (200,)


def test_the_fit_does_not_touch_what_is_global(tmp_path: Path) -> None:
    """A `FitContext` of one's own, outside of the harness, which would put everything back."""
    of = proxy()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    of.fit(CELLS, FitContext(of, ub.Task("digits", "digits", 8, 10), None, seed=1, folder=tmp_path))
    assert torch.equal(torch.get_rng_state(), before)

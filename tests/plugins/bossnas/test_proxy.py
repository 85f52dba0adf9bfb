"""The proxy as users meet it: fitted once by the harness, then read."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import uninas_bench as ub
from uninas_bench import UserError
from uninas_bench.data.digits import Digits
from uninas_bench_plugins._bossnas.table import read_table
from uninas_bench_plugins.bossnas import Bossnas

TINY = {
    "batch": 16,
    "epochs": 1,
    "images": 16,
    "validation": 8,
    "resolution": 8,
    "paths": 2,
    "features": 16,
    "hidden": 16,
    "out": 8,
}
ARCHITECTURES = ["8:16:24:32:64", "64:64:64:64:64", "8:8:8:8:8"]


class Cifar(Digits):
    """Digits under the name of a task of the space."""

    name = "cifar10"

    def load(self, split, resolution):
        return super().load(split, 8)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("UNINAS_BENCH_CACHE", str(tmp_path))
    return tmp_path


def proxy(**changes):
    return Bossnas(Bossnas.Settings(**{**TINY, **changes}))


def scored(of, architectures=ARCHITECTURES, **options):
    frame = ub.score(architectures, [of], space="nats_size", data={"cifar10": Cifar()}, **options)
    assert (frame["status"] == "ok").all(), frame["message"].tolist()
    return dict(zip(frame["architecture"], frame["value"], strict=True))


def test_scores_are_the_sums_of_the_fitted_paths(cache):
    messages = []
    values = scored(proxy(), fitting=lambda event: messages.append(event.text))
    assert any("block 3 of 3" in message for message in messages)
    (folder,) = {file.parent for file in cache.glob("fitted/bossnas/*/ratings.json")}
    blocks = [block[0] for block in read_table(folder).blocks]
    assert [len(block) for block in blocks] == [64, 64, 8]
    wanted = -(blocks[0][8, 16] + blocks[1][24, 32] + blocks[2][64,])
    assert values["8:16:24:32:64"] == pytest.approx(wanted, rel=1e-12)
    assert len(set(values.values())) == 3
    messages.clear()
    again = scored(proxy(), fitting=lambda event: messages.append(event.text))
    assert again == values
    assert not any("block" in message for message in messages), "fitted once more"
    changed = scored(proxy(), seed=1)
    assert changed != values


def test_a_module_from_python_can_teach(cache):
    torch.manual_seed(0)
    teacher = torch.nn.Conv2d(3, 5, 3)
    values = scored(proxy(epochs=0).distilling(teacher), ARCHITECTURES[:1])
    assert np.isfinite(list(values.values())).all()
    assert "module-" in proxy().distilling(teacher).settings.teacher
    other = proxy().distilling(torch.nn.Conv2d(3, 5, 3))
    assert other.settings.teacher != proxy().distilling(teacher).settings.teacher
    assert other.with_settings(epochs=3).teacher is other.teacher


def test_a_space_without_a_supernet_is_declined(cache):
    index = ub.space("nasbench201").sample(1, np.random.default_rng(0))
    frame = ub.score(index, [proxy()], data={"cifar10": Cifar()})
    assert frame["status"].tolist() == ["not-applicable"]
    assert "nats_size" in frame["message"].item()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": "distillation"}, "distillation needs a teacher"),
        ({"teacher": "resnet18"}, "nothing else does"),
        ({"paths": 0}, "paths=0: expected at least 1"),
        ({"validation": 1}, "validation=1: expected at least 2"),
        ({"epochs": -1}, "epochs=-1: expected 0 or more"),
    ],
)
def test_settings_that_make_no_sense(changes, message):
    with pytest.raises(UserError, match=message):
        proxy(**changes)


def test_a_teacher_that_timm_does_not_know():
    from uninas_bench_plugins._bossnas.teachers import timm_teacher

    with pytest.raises(UserError, match="teacher=no_such_model: timm cannot give it"):
        timm_teacher("no_such_model")


def test_settings_are_text_both_ways():
    made = proxy(centre="unit")
    texts = dict(part.split("=", 1) for part in str(made.settings).split(","))
    assert Bossnas().with_settings(**texts).settings == made.settings

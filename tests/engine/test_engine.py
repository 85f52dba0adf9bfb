from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from tests.engine.toy import TASK, Toy, global_noise, moody, spread, weights
from uninas_bench import Architecture, NotApplicable, Proxy, Subject, UserError, simple_proxy
from uninas_bench.api import score
from uninas_bench.data.source import ImageSet, Split
from uninas_bench.engine import ProgressEvent, run, score_network
from uninas_bench.errors import InvalidArchitecture, UnknownName
from uninas_bench.evaluate import bare_pass_seconds
from uninas_bench.scores import TIDY_COLUMNS
from uninas_bench.store import ScoreStore, open_store

EVERY = list(Toy().enumerate())


def values(frame: pd.DataFrame, proxy: str | None = None) -> dict[tuple[str, str], str]:
    """Component values by (architecture, component), every bit of them."""
    rows = frame if proxy is None else frame[frame["proxy"] == proxy]
    return {(row.architecture, row.component): float(row.value).hex() for row in rows.itertuples()}


def scored(
    architectures: Sequence[Architecture], proxies: Sequence[Proxy], **options: object
) -> pd.DataFrame:
    return score(architectures, proxies, space=Toy(), task=TASK, **options)  # type: ignore[arg-type]


@pytest.fixture
def store() -> Iterator[ScoreStore]:
    with open_store(None) as opened:
        yield opened


def test_the_frame_has_a_row_per_architecture_proxy_and_component() -> None:
    frame = scored(EVERY[:3], [weights, spread])
    assert tuple(frame.columns) == TIDY_COLUMNS
    keys = list(zip(frame["architecture"], frame["proxy"], frame["component"], strict=True))
    assert keys == [(a.encoding, p, p) for a in EVERY[:3] for p in ("weights", "spread")]
    assert set(frame["status"]) == {"ok"}
    assert set(frame["task"]) == {"toy"}
    assert set(frame["scale"]) == {"channels=2"}
    assert set(frame["settings"]) == {"batch=2,source=gaussian,init=kaiming"}
    assert (frame["seconds"] > 0).all()
    assert (frame["passes"] > 0).all()


def test_a_value_is_what_the_proxy_computes_by_hand() -> None:
    """The closed form for an architecture of identities: two weight matrices from N(0, 2/fan_in)."""
    (row,) = scored([Architecture("toy", "ccc")], [weights], seed=5).itertuples()
    from uninas_bench.evaluate import cell_seed
    from uninas_bench.host import default_host
    from uninas_bench.plan import make_plan
    from uninas_bench.seeds import derive_seed

    plan = make_plan(default_host(), ["ccc"], [weights], space=Toy(), task=TASK, seed=5, data=None)
    generator = torch.Generator().manual_seed(
        derive_seed(cell_seed(plan.scored[0], plan.configurations[0], "ccc"), "init")
    )
    stem = torch.empty(2, 3, 1, 1).normal_(0, math.sqrt(2 / 3), generator=generator)
    head = torch.empty(3, 32).normal_(0, math.sqrt(2 / 32), generator=generator)
    assert float(row.value) == float(stem.double().abs().sum() + head.double().abs().sum())  # type: ignore[arg-type]


@pytest.mark.slow
def test_order_company_and_processes_do_not_matter() -> None:
    """Bit for bit: together, alone, shuffled, in other processes, and after anything else."""
    together = values(scored(EVERY, [weights, spread, global_noise]))
    assert len(set(together.values())) > 70
    shuffled = list(EVERY)
    random.Random(1).shuffle(shuffled)
    assert values(scored(shuffled, [global_noise, spread, weights])) == together
    for proxy in (weights, spread, global_noise):
        alone = values(scored(EVERY[5:9], [proxy]))
        assert alone == {key: together[key] for key in alone}
    for workers in (1, 2):
        frame = scored(shuffled, [spread, global_noise, weights], workers=workers, executor="processes")
        assert values(frame) == together


def test_the_seed_matters_and_the_same_seed_gives_the_same() -> None:
    one, again, two = (values(scored(EVERY[:2], [spread], seed=seed)) for seed in (1, 1, 2))
    assert one == again
    assert not set(one.values()) & set(two.values())


def test_nothing_global_changes() -> None:
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    threads = torch.get_num_threads()
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # type: ignore[index]  # noqa: NPY002
    torch.set_num_threads(2)
    try:
        scored(EVERY[:2], [global_noise, spread])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.is_grad_enabled()
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # type: ignore[index]  # noqa: NPY002
    assert before == after


def test_the_callers_global_state_does_not_matter() -> None:
    expected = values(scored(EVERY[:2], [global_noise, spread]))
    torch.manual_seed(99)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            assert values(scored(EVERY[:2], [global_noise, spread])) == expected
    finally:
        torch.set_default_dtype(torch.float32)


def test_stored_cells_are_not_computed_again(store: ScoreStore) -> None:
    first = scored(EVERY[:4], [weights], store=store)
    events: list[ProgressEvent] = []
    second = scored(EVERY[:6], [weights, spread], store=store, progress=events.append)
    assert [(event.done, event.total) for event in events] == [(n, 8) for n in range(1, 9)]
    assert sum(event.proxy == "weights" for event in events) == 2
    assert values(second, "weights").items() >= values(first).items()
    assert len(store.runs()) == 2
    third = scored(EVERY[:6], [weights, spread], store=store, progress=events.append)
    assert len(events) == 8
    assert len(store.runs()) == 2
    pd.testing.assert_frame_equal(second, third)


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"space": Toy().scaled(channels=3)}, {"task": replace(TASK, dataset="other")}],
    ids=["seed", "scale", "task"],
)
def test_a_cell_of_another_key_is_computed(store: ScoreStore, change: dict[str, object]) -> None:
    score(EVERY[:1], [weights], store=store, space=Toy(), task=TASK)
    events: list[ProgressEvent] = []
    options = {"space": Toy(), "task": TASK, "store": store, "progress": events.append, **change}
    score(EVERY[:1], [weights], **options)  # type: ignore[arg-type]
    assert len(events) == 1


def test_another_setting_or_version_is_another_cell(store: ScoreStore) -> None:
    scored(EVERY[:1], [spread], store=store)
    later = simple_proxy("spread", version=2, batch=2)(lambda subject: 1.0)
    for proxy in (spread.with_settings(batch=3), later):
        events: list[ProgressEvent] = []
        scored(EVERY[:1], [proxy], store=store, progress=events.append)
        assert len(events) == 1


@pytest.mark.slow
def test_every_end_has_its_status() -> None:
    some = [architecture for architecture in EVERY if architecture.encoding < "bab"]
    frame = scored(some, [moody, weights], executor="processes", workers=2, timeout=1.0)
    own = frame[frame["proxy"] == "moody"].set_index("architecture")
    ends = {
        "aaa": ("crashed", "the worker process was killed by SIGKILL"),
        "aab": ("crashed", "the worker process exited with code 0"),
        "aac": ("timeout", "stopped after 1 s"),
        "aba": ("error", "ValueError: first line second line"),
        "abb": ("not-finite", "moody is nan"),
        "abc": ("not-applicable", "no path from input to output"),
        "aca": ("out-of-memory", "MemoryError"),
        "acb": ("out-of-memory", "RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory"),
    }
    for encoding, row in own.iterrows():
        assert (row["status"], row["message"]) == ends.get(str(encoding), ("ok", ""))
        assert math.isnan(row["value"]) == (encoding in ends)
    # A proxy in the same unit of work does not suffer.
    assert set(frame.loc[frame["proxy"] == "weights", "status"]) == {"ok"}


def test_failures_are_computed_again_only_when_asked(store: ScoreStore) -> None:
    failing = [Architecture("toy", name) for name in ("aba", "abb", "bbb")]
    scored(failing, [moody], store=store)
    events: list[ProgressEvent] = []
    scored(failing, [moody], store=store, progress=events.append)
    assert events == []
    options = {"space": Toy(), "task": TASK, "store": store, "progress": events.append}
    run(failing, [moody], retry_failed=True, **options)  # type: ignore[arg-type]
    assert [event.failed for event in events] == [1, 2]


class Two(Proxy):
    name = "two"
    components = ("good", "bad")

    def evaluate(self, subject: Subject) -> dict[str, float]:
        return {"good": 1.0, "bad": math.inf}

    def aggregate(self, components: pd.DataFrame) -> pd.Series[float]:
        return components["good"]


class Both(Proxy):
    name = "both"
    requires = ("two",)

    def aggregate(self, components: pd.DataFrame) -> pd.Series[float]:
        return components["two.good"]


def test_finite_components_survive_an_infinite_one() -> None:
    frame = scored(EVERY[:1], [Two()]).set_index("component")
    assert frame.loc["good", "value"] == 1.0
    assert math.isnan(frame.loc["bad", "value"])  # type: ignore[arg-type]
    assert set(frame["status"]) == {"not-finite"}
    assert set(frame["message"]) == {"bad is inf"}
    assert frame["passes"].isna().all(), "it built no network"


def test_a_proxy_that_only_aggregates_has_no_cells_of_its_own() -> None:
    scores = run(EVERY[:2], [Both(), Two()], space=Toy(), task=TASK)
    assert set(scores.tidy()["proxy"]) == {"two"}
    population = scores.population(Both())
    assert list(population.columns) == ["two.good", "two.bad"]
    assert list(population.index) == [architecture.encoding for architecture in EVERY[:2]]
    assert list(Both().aggregate(population)) == [1.0, 1.0]


def test_components_must_be_those_declared() -> None:
    class Lying(Two):
        name = "lying"

        def evaluate(self, subject: Subject) -> dict[str, float]:
            return {"good": 1.0, "other": 2.0}

    frame = scored(EVERY[:1], [Lying()])
    assert set(frame["message"]) == {"returned good, other; declares good, bad"}
    assert set(frame["status"]) == {"error"}


class Pixels:
    """Images whose only purpose is to be seen."""

    name = "toy"
    fingerprint = "f00"
    loads = 0

    def load(self, split: Split, resolution: int) -> ImageSet:
        self.loads += 1
        pixels = np.random.default_rng(0).integers(0, 256, (8, 3, resolution, resolution), dtype=np.uint8)
        return ImageSet(pixels, np.arange(8), (128.0,) * 3, (64.0,) * 3)


seeing = simple_proxy("seeing", version=1, needs={"images"}, batch=4, source="task")(
    lambda subject: float(subject.batch()[0].double().sum())
)


def test_a_proxy_sees_the_images_of_the_task() -> None:
    """All architectures see the same ones, also in another process, and the fingerprint is in the key."""
    source = Pixels()
    scores = run(EVERY[:3], [seeing, weights], space=Toy(), task=TASK, data={"toy": source})
    assert scores.components("seeing")["seeing"].nunique() == 1
    assert source.loads == 1
    assert [configuration.images for configuration in scores.plan.configurations] == ["f00", ""]
    elsewhere = scored(EVERY[:3], [seeing], data={"toy": source}, executor="processes")
    assert values(elsewhere) == values(scores.tidy(), "seeing")


def test_missing_images_stop_the_run_before_it_starts(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="seeing sees the images of toy, which are not at hand"):
        scored(EVERY[:1], [weights, seeing], store=tmp_path / "scores.db")
    assert list(tmp_path.iterdir()) == []


def refuse(error: type[UserError], match: str, tmp_path: Path, **changes: object) -> None:
    arguments: dict[str, object] = {
        "architectures": EVERY[:1], "proxies": [weights], "space": Toy(), "task": TASK,
        "store": tmp_path / "scores.db", **changes,
    }  # fmt: skip
    with pytest.raises(error, match=match) as caught:
        score(**arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "match", "changes"),
    [
        (UserError, "no architectures", {"architectures": []}),
        (UserError, "no proxies", {"proxies": []}),
        (UserError, "expected a list", {"proxies": "weights"}),
        (UnknownName, 'no proxy "wieghts"', {"proxies": ["wieghts"]}),
        (UnknownName, 'no search space "toys"', {"space": "toys"}),
        (UnknownName, 'no task "cifar11"; did you mean "cifar10', {"task": "cifar11"}),
        (InvalidArchitecture, "expected three letters", {"architectures": ["abd"]}),
        (UserError, "expected an architecture of toy", {"architectures": [Architecture("other", "a")]}),
        (UserError, "say of which space", {"architectures": ["abc"], "space": None}),
        (UserError, "asked for twice", {"proxies": [weights, weights.with_settings(batch=9)]}),
        (UserError, "workers=0", {"workers": 0}),
        (UserError, "timeout=0", {"timeout": 0}),
        (UnknownName, 'no executor "serail"; did you mean "serial"', {"executor": "serail"}),
        (UserError, "mended.*not at hand", {"proxies": [seeing.with_settings(batch=1)], "task": "cifar10"}),
    ],
)
def test_mistakes_are_told_in_one_line_before_anything_is_made(
    tmp_path: Path, error: type[UserError], match: str, changes: dict[str, object]
) -> None:
    refuse(error, match.replace("mended", "seeing"), tmp_path, **changes)


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="batch=0: expected at least 1 image"):
        weights.with_settings(batch=0)


def test_an_unknown_device_is_refused(store: ScoreStore) -> None:
    with pytest.raises(UserError, match='device "abacus"'):
        scored(EVERY[:1], [weights], device="abacus", store=store)
    assert store.runs() == ()


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_a_users_mistake_that_a_proxy_finds_stops_the_run(store: ScoreStore, executor: str) -> None:
    @simple_proxy("picky", version=1)
    def picky(subject: Subject) -> float:
        if subject.architecture == EVERY[2]:
            raise UnknownName("layer", "x", ["y"])
        return 1.0

    with pytest.raises(UserError, match='no layer "x"'):
        scored(EVERY[:5], [picky], store=store, executor=executor)
    (record,) = store.runs()
    assert record.interrupted


def test_an_interrupted_run_keeps_what_is_finished(store: ScoreStore) -> None:
    counter = itertools.count(1)

    @simple_proxy("impatient", version=1)
    def impatient(subject: Subject) -> float:
        if next(counter) == 4:
            raise KeyboardInterrupt
        return 1.0

    with pytest.raises(KeyboardInterrupt, match="interrupted after 3 of 5 cells; what is finished is stored"):
        scored(EVERY[:5], [impatient], store=store)
    assert len(store.columns(store.configurations()).popitem()[1].cells) == 3  # type: ignore[attr-defined]
    assert store.runs()[0].interrupted
    assert len(scored(EVERY[:5], [impatient], store=store)) == 5
    assert next(counter) == 7


def test_a_run_stores_its_provenance(store: ScoreStore) -> None:
    from uninas_bench.host import default_host

    run(EVERY[:1], [weights], space=Toy(), task=TASK, store=store, command="uninas-bench test")
    (record,) = store.runs()
    made = record.provenance
    assert (made.command, made.device, made.workers) == ("uninas-bench test", "cpu", 1)
    assert made.torch == torch.__version__.partition("+")[0]
    assert made.numpy == np.__version__
    assert set(made.plugins) == {plugin.origin for plugin in default_host().plugins if not plugin.reason}
    assert record.started <= record.ended
    assert not record.interrupted


def test_architectures_come_as_texts_too() -> None:
    frame = score(["abc", "toy:aab", EVERY[0], "abc"], [weights], space=Toy(), task=TASK)
    assert list(frame["architecture"]) == ["abc", "aab", "aaa"]


def test_peak_memory_sees_what_a_proxy_holds() -> None:
    def greedy(subject: Subject) -> float:
        return float(np.ones(16 * 2**20).sum())

    frame = scored(EVERY[:1], [simple_proxy("greedy", version=1)(greedy)])
    assert 120e6 < float(frame["peak_memory"].iloc[0]) < 200e6


def test_passes_are_multiples_of_a_bare_forward() -> None:
    """A proxy that runs the network ten times costs about ten."""
    from uninas_bench.spaces.nasbench201 import NasBench201

    @simple_proxy("tenfold", version=1, batch=64)
    def tenfold(subject: Subject) -> float:
        network, (images, _) = subject.network(), subject.batch()
        with torch.no_grad():
            return float(sum(network(images)[-1].sum() for _ in range(20)))

    space = NasBench201().scaled(channels=16, cells=1)
    frame = score([space.parse("6111")], [tenfold], space=space, task="cifar10")
    assert 10 < float(frame["passes"].iloc[0]) < 100


def test_a_bare_pass_is_warm() -> None:
    calls = 0

    class Counted(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            nonlocal calls
            calls += 1
            assert not torch.is_grad_enabled()
            return images

    assert bare_pass_seconds(Counted(), torch.ones(1)) < 0.1
    assert calls == 4
    bare_pass_seconds(Counted(), torch.ones(1), budget=0.0)
    assert calls == 6


def test_any_network_is_scored_and_left_as_it_was() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 3))
    network[1].eval()
    network[0].weight.requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    images = torch.randn(2, 3, 4, 4)
    total = float(sum(p.detach().double().abs().sum() for p in network.parameters()))

    size = simple_proxy("size", version=1)(lambda subject: subject.costs.params)
    scores = score_network(network, [weights, Two(), size], [(images, torch.zeros(2, dtype=torch.int64))])
    assert scores == {
        "weights": {"weights": total},
        "two": {"good": 1.0, "bad": math.inf},
        "size": {"size": 3 * 4 + 4 + 8 + 64 * 3 + 3},
    }
    redrawn = score_network(network, [weights], [(images, images)], init="proxy", seed=3)
    assert redrawn["weights"]["weights"] != total
    assert redrawn == score_network(network, [weights], [(images, images)], init="proxy", seed=3)

    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [module.training for module in network] == [True, False, True, True]
    assert [p.requires_grad for p in network.parameters()] == [False, *[True] * 5]
    assert all(p.grad is None for p in network.parameters())


def test_scoring_a_network_says_what_does_not_apply() -> None:
    @simple_proxy("picky", version=1)
    def picky(subject: Subject) -> float:
        raise NotApplicable("no blocks")

    scores = score_network(nn.Linear(1, 1), [picky], [(torch.ones(1, 1), torch.zeros(1))])
    assert math.isnan(scores["picky"]["picky"])


@pytest.mark.parametrize(
    ("match", "changes"),
    [("batches is empty", {"batches": []}), ('init="kep"', {"init": "kep"}), ("no proxies", {"proxies": []})],
)
def test_mistakes_in_scoring_a_network(match: str, changes: dict[str, object]) -> None:
    arguments: dict[str, object] = {"proxies": [weights], "batches": [(torch.ones(1), torch.ones(1))]}
    with pytest.raises(UserError, match=match):
        score_network(nn.Linear(1, 1), **{**arguments, **changes})  # type: ignore[arg-type]

"""Proxies that are fitted to a space: once, resumably, before any of their cells."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.engine.test_engine import EVERY, Pixels
from tests.engine.toy import TASK, Learned, Toy, weights
from uninas_bench import Architecture, FitContext, NotApplicable, Proxy, SearchSpace, Subject, UserError
from uninas_bench.engine import run, score_network
from uninas_bench.fitting import COMPLETE, FitEvent, cache_folder
from uninas_bench.host import default_host
from uninas_bench.scores import Scores
from uninas_bench.session import open_session
from uninas_bench.store.contract import Provenance

ROOT = Path(__file__).resolve().parents[2]
_DRIVER = """
import sys
from tests.engine.toy import TASK, Learned, Toy
from uninas_bench.engine import run
some = ["abc", "aab", "ccc"]
scores = run(some, [Learned()], space=Toy(), task=TASK, fitting=lambda event: print(event.text, flush=True))
print(*(value.hex() for value in scores.components("learned")["learned"]))
"""
RECORD = Provenance("", "", "", "", (), "", "session", "", "cpu", 1)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and an empty log."""
    monkeypatch.setenv("UNINAS_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "log"))
    return tmp_path / "cache"


def log(cache: Path) -> list[str]:
    file = cache.with_name("log")
    return file.read_text().split() if file.exists() else []


def epochs(cache: Path) -> list[int]:
    """The epochs that were run, in order, by whichever process."""
    return [int(word.partition(":")[0]) for word in log(cache) if not word.startswith("load")]


def fits(cache: Path) -> list[Path]:
    return sorted(path.parent for path in cache.glob(f"fitted/*/*/{COMPLETE}"))


def scored(
    proxies: list[Proxy], architectures: list[Architecture] | None = None, **options: object
) -> Scores:
    arguments = {"space": Toy(), "task": TASK, **options}
    return run(architectures or EVERY, proxies, **arguments)  # type: ignore[arg-type]


def drive(**environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _DRIVER],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(cache: Path, count: int) -> None:
    for _ in range(600):
        if len(epochs(cache)) >= count:
            return
        time.sleep(0.05)
    raise AssertionError("nothing is fitted")


@pytest.mark.parametrize(("executor", "workers"), [("serial", 1), ("processes", 2)])
def test_a_fit_serves_all_cells_of_all_workers(cache: Path, executor: str, workers: int) -> None:
    events: list[FitEvent] = []
    scores = scored([Learned(), weights], executor=executor, workers=workers, fitting=events.append)
    assert epochs(cache) == [0, 1, 2, 3, 4, 5]
    fitters = {word.partition(":")[2] for word in log(cache) if not word.startswith("load")}
    assert fitters == {str(os.getpid())}
    loads = [word for word in log(cache) if word.startswith("load")]
    assert 1 <= len(loads) == len(set(loads)) <= workers, "once per process"
    assert [(event.done, event.total) for event in events] == [(0, 0), *((n, 6) for n in range(1, 7))]
    assert events[0] == FitEvent("learned", 0, 0, "starts")

    (folder,) = fits(cache)
    worth = json.loads((folder / "state.json").read_text())[1]
    values = scores.components("learned")["learned"]
    assert {str(key): value for key, value in values.items()} == {
        a.encoding: sum(worth["abc".index(letter)] for letter in a.encoding) for a in EVERY
    }


def test_what_is_kept_says_how_it_was_made(cache: Path) -> None:
    scores = scored([Learned()], EVERY[:1], command="uninas-bench test")
    (folder,) = fits(cache)
    assert folder.parent == cache_folder() / "fitted" / "learned"
    summary = json.loads((folder / COMPLETE).read_text())
    assert summary["fit"] == asdict(scores.plan.configurations[0])
    assert summary["made"]["command"] == "uninas-bench test"
    assert summary["made"]["torch"] == torch.__version__.partition("+")[0]
    assert summary["seconds"] >= 0
    assert not summary["resumed"]


def test_nothing_is_fitted_twice_and_nothing_without_need(cache: Path, tmp_path: Path) -> None:
    store = tmp_path / "scores.db"
    scored([Learned()], EVERY[:3], store=store)
    events: list[FitEvent] = []
    scored([Learned()], EVERY[:5], store=store, fitting=events.append)
    assert epochs(cache) == [0, 1, 2, 3, 4, 5], "more cells take the same fit"
    assert events == []
    for file in sorted(cache.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    scored([Learned()], EVERY[:5], store=store, fitting=events.append)
    assert events == []
    assert list(cache.iterdir()) == [], "stored cells need no fit"


class Images(Pixels):
    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint


class Seeing(Learned):
    needs = frozenset({"fit", "images"})

    def fit(self, space: SearchSpace, context: FitContext) -> None:
        assert len(context.images()) == len(context.images("test")) == 8
        super().fit(space, context)


def test_everything_that_a_score_depends_on_makes_another_fit(cache: Path) -> None:
    later = Learned()
    later.version = 2
    seeing = Seeing().with_settings(source="task")
    runs: list[tuple[Proxy, dict[str, object]]] = [
        (Learned(), {}),
        (Learned().with_settings(epochs=2), {}),
        (later, {}),
        (Learned(), {"seed": 1}),
        (Learned(), {"space": Toy().scaled(channels=3)}),
        (Learned(), {"task": replace(TASK, dataset="other")}),
        (Learned(), {"task": replace(TASK, resolution=8)}),
        (Learned(), {"task": replace(TASK, classes=4)}),
        (seeing, {"data": {"toy": Images("one")}}),
        (seeing, {"data": {"toy": Images("two")}}),
    ]
    states = []
    for number, (proxy, options) in enumerate(runs, start=1):
        scored([proxy], EVERY[:1], **options)
        assert len(fits(cache)) == number
        states = [(folder / "state.json").read_text() for folder in fits(cache)]
    assert len(set(states)) == len(runs), "each is seeded for itself"
    for proxy, options in runs:
        scored([proxy], EVERY[:1], **options)
    assert len(fits(cache)) == len(runs)


@pytest.mark.slow
def test_a_killed_fit_goes_on_to_the_same_result(cache: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    undisturbed = drive(UNINAS_BENCH_CACHE=str(other), TOY_LOG=str(tmp_path / "other.log"))
    expected, err = undisturbed.communicate(timeout=60)
    assert err == ""
    driver = drive(TOY_PAUSE="0.3")
    wait_for(cache, 3)
    driver.kill()
    driver.communicate(timeout=30)
    assert fits(cache) == []
    begun = epochs(cache)
    assert 3 <= len(begun) < 6

    out, err = drive().communicate(timeout=60)
    assert err == ""
    assert out.splitlines()[0] == "goes on from where it was"
    assert out.splitlines()[-1] == expected.splitlines()[-1]
    # The epoch that was under way is run again, and no other.
    assert epochs(cache) in ([*range(len(begun)), *range(len(begun) - 1, 6)], list(range(6)))
    (folder,), (twin,) = fits(cache), fits(other)
    assert folder.name == twin.name
    assert (folder / "state.json").read_bytes() == (twin / "state.json").read_bytes()
    assert json.loads((folder / COMPLETE).read_text())["resumed"]


@pytest.mark.slow
def test_ctrl_c_says_that_the_fit_goes_on(cache: Path) -> None:
    driver = drive(TOY_PAUSE="0.3")
    wait_for(cache, 2)
    driver.send_signal(signal.SIGINT)
    _, err = driver.communicate(timeout=30)
    assert "KeyboardInterrupt: interrupted while learned was fitted; what it has saved is kept, and" in err
    assert fits(cache) == []
    scored([Learned()], EVERY[:1])
    assert epochs(cache)[-1] == 5
    assert epochs(cache).count(0) == 1


@pytest.mark.slow
def test_of_two_processes_one_fits_and_the_other_waits(cache: Path) -> None:
    answers = [driver.communicate(timeout=60) for driver in [drive(TOY_PAUSE="0.6") for _ in range(2)]]
    assert [err for _, err in answers] == ["", ""]
    assert epochs(cache) == [0, 1, 2, 3, 4, 5]
    waiter, fitter = sorted((out.splitlines() for out, _ in answers), key=len)
    assert waiter == ["another process is at it: waiting", fitter[-1]]
    assert fitter[0] == "starts"


@pytest.mark.slow
def test_who_waited_for_a_process_that_died_takes_over(cache: Path) -> None:
    first = drive(TOY_PAUSE="5")
    wait_for(cache, 2)
    second = drive()
    assert second.stdout is not None
    assert second.stderr is not None
    assert second.stdout.readline() == "another process is at it: waiting\n"
    first.kill()
    first.communicate(timeout=30)
    # Not communicate(): it would lose what readline() has read ahead.
    with second:
        out, err = second.stdout.read(), second.stderr.read()
    assert (second.returncode, err) == (0, "")
    assert out.splitlines()[0] == "goes on from where it was"
    assert len(fits(cache)) == 1


class Unfit(Proxy):
    """Cannot be fitted, for a reason of the test's."""

    name = "unfit"
    needs = frozenset({"fit"})

    def __init__(self, *reasons: BaseException) -> None:
        super().__init__()
        self.reasons = list(reasons)

    def fit(self, space: SearchSpace, context: FitContext) -> None:
        if self.reasons:
            raise self.reasons.pop(0)

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        return {"unfit": 1.0}


@pytest.mark.parametrize(
    ("reason", "status", "message", "executor"),
    [
        (ValueError("one line\ntwo lines"), "error", "fit: ValueError: one line two lines", "serial"),
        (MemoryError(), "out-of-memory", "fit: MemoryError", "serial"),
        (NotApplicable("toy has no supernet"), "not-applicable", "fit: toy has no supernet", "processes"),
    ],
)
def test_a_fit_that_fails_is_the_status_of_its_cells(
    cache: Path, tmp_path: Path, reason: Exception, status: str, message: str, executor: str
) -> None:
    proxies = [Unfit(reason), Learned(), weights]
    store = tmp_path / "scores.db"
    done: list[int] = []
    scores = scored(
        proxies, EVERY[:4], store=store, executor=executor,
        progress=lambda event: done.append(event.done),
    )  # fmt: skip
    assert done == list(range(1, 13))
    assert set(scores.cells("unfit")["status"]) == {status}
    assert set(scores.cells("unfit")["message"]) == {message}
    assert scores.components("unfit")["unfit"].isna().all()
    for proxy in ("learned", "weights"):
        assert set(scores.cells(proxy)["status"]) == {"ok"}
    assert [folder.parent.name for folder in fits(cache)] == ["learned"]
    again = scored([Unfit()], EVERY[:4], store=store, retry_failed=True)
    assert set(again.cells("unfit")["status"]) == {"ok"}


def test_a_users_mistake_in_a_fit_stops_the_run(cache: Path) -> None:
    with pytest.raises(UserError, match="no such teacher"):
        scored([Unfit(UserError("no such teacher"))], EVERY[:1])


def test_an_unfit_proxy_of_a_session_is_tried_once(cache: Path) -> None:
    proxy = Unfit(ValueError("no"))

    both = [proxy, Learned()]
    with open_session(both, space=Toy(), task=TASK, host=default_host(), record=lambda: RECORD) as session:
        for architecture in EVERY[:3]:
            ((unfit, learned),) = session.outcomes([architecture])
            assert unfit.message == "fit: ValueError: no"
            assert learned.components
    assert proxy.reasons == []
    assert epochs(cache) == [0, 1, 2, 3, 4, 5]


def test_a_session_that_was_interrupted_fits_again(cache: Path) -> None:
    proxy = Unfit(KeyboardInterrupt())

    with open_session([proxy], space=Toy(), task=TASK, host=default_host(), record=lambda: RECORD) as session:
        with pytest.raises(KeyboardInterrupt, match="interrupted while unfit was fitted"):
            session.outcomes(EVERY[:1])
        assert fits(cache) == []
        session.outcomes(EVERY[:1])
    assert len(fits(cache)) == 1


def test_images_that_are_not_at_hand(cache: Path) -> None:
    with pytest.raises(UserError, match=r"learned sees the images of toy, .* --data toy="):
        scored([Seeing().with_settings(source="task")], EVERY[:1])
    with pytest.raises(UserError, match=r"fitted .*: choose --set learned.source=task .* --data toy="):
        scored([Seeing()], EVERY[:1])


def test_images_are_declared(cache: Path) -> None:
    class Undeclared(Seeing):
        needs = frozenset({"fit"})

    message = scored([Undeclared()], EVERY[:1]).cells("learned")["message"].iloc[0]
    assert message == 'fit: TypeError: learned asks for images and has no "images" in its needs'


def test_a_fit_is_declared(cache: Path) -> None:
    class Undeclared(Learned):
        needs = frozenset()

    message = scored([Undeclared()], EVERY[:1]).cells("learned")["message"].iloc[0]
    assert message == 'TypeError: the proxy asks for its fit and has no "fit" in its needs'
    weightless = type(weights)("promising", 1, frozenset({"fit"}), lambda subject: 1.0, weights.settings)  # type: ignore[call-arg, arg-type]
    message = scored([weightless], EVERY[:1]).cells("promising")["message"].iloc[0]
    assert message.startswith("fit: TypeError: promising has no fit")


def test_a_fit_is_isolated(cache: Path) -> None:
    class Noisy(Unfit):
        def fit(self, space: SearchSpace, context: FitContext) -> None:
            torch.set_num_threads(2)
            torch.set_grad_enabled(False)
            context.write("noise", str(torch.rand(())).encode())

    before, threads = torch.get_rng_state(), torch.get_num_threads()
    scored([Noisy()], EVERY[:1])
    (noise,) = (path.read_text() for path in cache.rglob("noise"))
    assert torch.equal(torch.get_rng_state(), before)
    assert (torch.get_num_threads(), torch.is_grad_enabled()) == (threads, True)
    torch.manual_seed(1)
    for path in [*cache.rglob("noise"), *cache.rglob(COMPLETE)]:
        path.unlink()
    scored([Noisy()], EVERY[:1])
    assert [path.read_text() for path in cache.rglob("noise")] == [noise]


def test_a_cache_that_cannot_be_written(cache: Path) -> None:
    cache.write_text("a file")
    with pytest.raises(UserError, match=r"cannot be written: .*; UNINAS_BENCH_CACHE names") as caught:
        scored([Learned()], EVERY[:1])
    assert "\n" not in str(caught.value)


def test_a_bare_network_is_of_no_space() -> None:
    with pytest.raises(UserError, match=r"learned is fitted to a search space: .* uninas_bench\.score"):
        score_network(nn.Linear(1, 1), [Learned()], [(torch.ones(1, 1), torch.zeros(1))])


def test_the_cache_is_a_folder_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNINAS_BENCH_CACHE")
    assert cache_folder().name == "uninas-bench"
    monkeypatch.setenv("UNINAS_BENCH_CACHE", "somewhere")
    assert cache_folder() == Path.cwd() / "somewhere"

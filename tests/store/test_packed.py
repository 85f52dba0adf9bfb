"""Scores that come with the package: what is read is what was stored, and nothing that differs is used."""

from __future__ import annotations

import gzip
import json
import math
from dataclasses import replace

import numpy as np
import pytest

import uninas_bench as ub
from tests import toy
from uninas_bench.cells import Configuration, Outcome, Status
from uninas_bench.errors import InvalidFile, UserError
from uninas_bench.host import default_host
from uninas_bench.leaderboard import build
from uninas_bench.packing import pack
from uninas_bench.store import Provenance, open_store
from uninas_bench.store.packed import PackedScores, read_info, shipped_scores

POINTS = toy.architectures(14)
TABLE = toy.table(POINTS)
PROVENANCE = Provenance(
    "0.1.0", "3.12", "2.14", "2.1", ("uninas-bench 0.1.0",), "abc", "/home/me/secret --x", "myhost", "cpu", 1
)


@ub.simple_proxy("odd", version=2)
def odd(subject):
    """A number with all 17 digits; nothing for some."""
    value = toy.truth_of(subject.architecture)
    if "none" in subject.architecture.encoding:
        raise ub.NotApplicable('has a "none", and: a colon')
    return value / 3


@pytest.fixture
def packed(tmp_path):
    """The store that was packed, the file, and what a board computed."""
    with open_store(tmp_path / "scores.db") as store:
        frame = board(store, packed=None)
        info, size = pack(
            store,
            TABLE,
            tmp_path / "toy.csv.gz",
            host=default_host(),
            proxies=[odd, toy.Pair(), toy.perfect, "params", "flops"],
        )
    assert size == (tmp_path / "toy.csv.gz").stat().st_size
    return info, tmp_path / "toy.csv.gz", frame


def board(store, packed, proxies=None, **options):
    options.setdefault("resamples", 20)
    return build(
        ground_truth=TABLE,
        proxies=proxies or [odd, toy.Pair(), toy.perfect],
        store=store,
        packed=packed,
        **options,
    )


@pytest.fixture
def no_evaluation(monkeypatch):
    def refuse(*_):
        raise AssertionError("nothing was to be computed")

    monkeypatch.setattr("uninas_bench.evaluate.Evaluator.__call__", refuse)


def test_a_board_from_the_file_is_the_board_that_was_computed(packed, no_evaluation, tmp_path):
    _, path, computed = packed
    frame = board(tmp_path / "new.db", PackedScores([path]))
    for column in (
        "proxy",
        "tau",
        "tau_low",
        "tau_high",
        "rho",
        "ndcg",
        "failed",
        "n",
        "settings",
        "version",
    ):
        assert frame[column].tolist() == computed[column].tolist(), column
    assert np.allclose(frame["seconds"], computed["seconds"])
    assert frame.attrs["failures"] == computed.attrs["failures"]
    assert frame.attrs["failures"]["odd"] == {
        'not-applicable: has a "none", and: a colon': computed.set_index("proxy")["failed"]["odd"]
    }
    assert frame.attrs["packed"] == frame.attrs["cells"] == len(POINTS) * 5
    assert not (tmp_path / "new.db").exists(), "nothing was computed, so there is nothing to keep"


def test_numbers_come_back_to_the_last_bit(packed):
    info, path, _ = packed
    configuration = next(c for c in info.configurations() if c.proxy == "odd")
    encodings = [point.encoding for point in POINTS]
    found = PackedScores([path]).columns([configuration], encodings[::-1])[configuration]
    assert found.cells.index.tolist() == encodings[::-1]
    for point in POINTS:
        cell, value = found.cells.loc[point.encoding], found.values.loc[point.encoding, "odd"]
        if "none" in point.encoding:
            assert cell["status"] == Status.NOT_APPLICABLE
            assert math.isnan(value)
        else:
            assert (cell["status"], cell["message"]) == (Status.OK, "")
            assert value == toy.truth_of(point) / 3


def test_the_file_names_no_machine_and_equal_scores_give_equal_bytes(tmp_path):
    host = default_host()
    for name in ("one", "two"):
        with open_store(tmp_path / f"{name}.db") as store:
            plan_cells(store)
            pack(store, TABLE, tmp_path / f"{name}.csv.gz", host=host, proxies=["params"])
    first = (tmp_path / "one.csv.gz").read_bytes()
    assert first == (tmp_path / "two.csv.gz").read_bytes()
    text = gzip.decompress(first).decode()
    assert "secret" not in text
    assert "myhost" not in text
    assert read_info(tmp_path / "one.csv.gz").provenance[0]["torch"] == "2.14"


def configuration_of_params():
    proxy = ub.proxy("params")
    return Configuration(
        "nasbench201", toy.SPACE.version, str(toy.SPACE.scale), "cifar10", 32, 10, "params", proxy.version,
        str(proxy.settings), "", 0,
    )  # fmt: skip


def plan_cells(store, points=POINTS):
    run = store.begin_run(PROVENANCE)
    cells = [
        Outcome(configuration_of_params(), point.encoding, Status.OK, "", {"params": float(i)}, 0.5)
        for i, point in enumerate(points)
    ]
    store.write(cells, run)
    store.end_run(run)


def test_the_stores_own_score_comes_first_and_the_file_fills_the_rest(packed, no_evaluation, tmp_path):
    _, path, _ = packed
    with open_store(tmp_path / "part.db") as store:
        plan_cells(store, POINTS[:4])
        frame = board(store, PackedScores([path]), ["params"])
        assert frame.attrs["packed"] == 2 * len(POINTS) - 4
        # What came with the package is not copied.
        assert len(store.columns([configuration_of_params()])[configuration_of_params()].cells) == 4
    # The made-up parameters of the store rank the first four last.
    truth = [toy.truth_of(point) for point in POINTS]
    params = [float(i) for i in range(4)] + [
        float(toy.SPACE.costs(point, ub.Task("cifar10", "cifar10", 32, 10)).params) for point in POINTS[4:]
    ]
    assert frame.set_index("proxy")["tau"]["params"] == pytest.approx(ub.correlation.kendall(params, truth))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 3}, "proxy version 2, not 3"),
        ({"settings": {"batch": 8}}, "settings batch=64, not batch=8"),
        ({"seed": 1}, "seed 0, not 1"),
    ],
)
def test_scores_of_another_version_settings_or_seed_are_not_used(packed, tmp_path, change, said):
    _, path, _ = packed
    proxy = odd.with_settings(**{"batch": 64, **change.get("settings", {})})  # a copy
    proxy.version = change.get("version", 2)
    frame = board(None, PackedScores([path]), [proxy], seed=change.get("seed", 0))
    own = 0 if "seed" in change else 2 * len(POINTS)
    assert frame.attrs["packed"] == own, "params and flops alone"
    assert frame.attrs["not_comparable"]["odd"].startswith(said)
    assert frame.attrs["cells"] == 3 * len(POINTS)


def test_scores_of_another_space_version_are_not_used(packed):
    _, path, _ = packed
    with gzip.open(path, "rt") as file:
        first, rest = file.readline(), file.read()
    header = json.loads(first.removeprefix("# "))
    header["space_version"] += 1
    path.write_bytes(gzip.compress(f"# {json.dumps(header)}\n{rest}".encode()))
    frame = board(None, PackedScores([path]), [odd])
    assert frame.attrs["packed"] == 0
    assert set(frame.attrs["not_comparable"]) == {"odd", "params", "flops"}


def test_the_foot_of_a_board_says_what_came_with_the_package(packed):
    from uninas_bench.report.sentences import foot_lines

    _, path, _ = packed
    lines = foot_lines(board(None, PackedScores([path])))
    assert f"{5 * len(POINTS)} of {5 * len(POINTS)} scores came with the package" in lines
    assert not any("package" in line for line in foot_lines(board(None, None, ["params"])))
    proxy = odd.with_settings(batch=8)
    assert any("not comparable" in line and "odd" in line for line in foot_lines(
        board(None, PackedScores([path]), [proxy])
    ))  # fmt: skip


def test_images_that_are_not_at_hand_are_known_by_the_file(tmp_path):
    class Source:
        name = "cifar10"
        fingerprint = "made-up-1"

        def load(self, split, resolution):
            raise AssertionError("nothing looks at them")

    @ub.simple_proxy("seeing", version=1, needs={"images"}, source="task")
    def seeing(subject):
        return 1.0

    host = default_host()
    proxy = seeing
    with open_store(None) as store:
        run = store.begin_run(PROVENANCE)
        configuration = replace(
            configuration_of_params(), proxy="seeing", proxy_version=1, settings=str(proxy.settings),
            images="made-up-1",
        )  # fmt: skip
        store.write(
            [
                Outcome(configuration, point.encoding, Status.OK, "", {"seeing": toy.truth_of(point)})
                for point in POINTS
            ],
            run,
        )
        pack(store, TABLE, tmp_path / "a.csv.gz", host=host, proxies=[proxy], data={"cifar10": Source()})
    packed = PackedScores([tmp_path / "a.csv.gz"])
    frame = board(None, packed, [proxy])
    assert frame.set_index("proxy")["tau"]["seeing"] == pytest.approx(1.0)
    with pytest.raises(UserError, match="seeing sees the images of cifar10, which are not at hand"):
        board(None, packed, [proxy], seed=1)
    with pytest.raises(UserError, match="not at hand"):
        board(None, None, [proxy])


def test_packing_wants_every_score(tmp_path):
    with open_store(None) as store:
        plan_cells(store, POINTS[:5])
        with pytest.raises(UserError, match=r"params: the store has 5 of 14 scores with version 1"):
            pack(store, TABLE, tmp_path / "a.csv.gz", host=default_host(), proxies=["params"])
        table = toy.table(POINTS, task="mnist-hard")
        with pytest.raises(UserError, match=r"no proxy has scores of all 14 architectures of toy"):
            pack(store, table, tmp_path / "a.csv.gz", host=default_host())
    assert not (tmp_path / "a.csv.gz").exists()


def damaged(path, kind):
    data = path.read_bytes()
    first, rest = gzip.decompress(data).split(b"\n", 1)
    header = json.loads(first.removeprefix(b"# "))
    match kind:
        case "missing":
            path.unlink()
        case "plain":
            path.write_bytes(b"architecture,params\n")
        case "short":
            path.write_bytes(data[: len(data) // 2])
        case "other":
            path.write_bytes(gzip.compress(b"# {}\na,b\n"))
        case "newer":
            path.write_bytes(gzip.compress(f"# {json.dumps({**header, 'schema': 9})}\n".encode() + rest))
        case "lacking":
            del header["seed"]
            path.write_bytes(gzip.compress(f"# {json.dumps(header)}\n".encode() + rest))
        case "number":
            path.write_bytes(gzip.compress(first + b"\n" + rest.replace(b"\n|", b"\n|x,", 1)))
        case "twice":
            lines = rest.split(b"\n")
            path.write_bytes(gzip.compress(b"\n".join([first, *lines[:-1], lines[1], b""])))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("missing", "no such file"), ("plain", "no packed scores, or damaged"),
        ("short", "damaged"), ("other", "does not say that it holds uninas-bench scores"),
        ("newer", "scores of format 9; this version of uninas-bench reads format 1"),
        ("lacking", "first line lacks something"), ("number", "damaged"), ("twice", "occurs twice"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_refused_in_one_line(packed, kind, said):
    _, path, _ = packed
    damaged(path, kind)
    with pytest.raises(InvalidFile, match=said) as caught:
        board(None, PackedScores([path]))
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def shipped():
    return list(shipped_scores().files.items())


@pytest.mark.parametrize(("path", "info"), shipped(), ids=[path.name for path, _ in shipped()])
def test_shipped_scores_are_small_complete_and_of_what_is_installed(path, info):
    host = default_host()
    table = ub.ground_truth(info.ground_truth)
    assert path.name == f"{info.ground_truth}.csv.gz"
    assert path.stat().st_size < 1_000_000
    assert (table.info.space, table.info.scale) == (info.space, info.scale)
    assert host.space(info.space).version == info.space_version
    packed = PackedScores([path])
    encodings = list(table.accuracies().index)
    for configuration, proxy in info.configurations().items():
        installed = host.proxy(proxy.name)
        assert (proxy.version, proxy.settings) == (installed.version, str(installed.cell_settings()))
        assert proxy.components == installed.components
        cells = packed.columns([configuration], encodings)[configuration].cells
        assert cells.index.tolist() == encodings


@pytest.mark.slow
@pytest.mark.parametrize(("path", "info"), shipped(), ids=[path.name for path, _ in shipped()])
def test_shipped_scores_are_what_the_proxies_compute(path, info):
    """Of three architectures, every proxy that takes no fit: equal up to the rounding of other libraries."""
    host = default_host()
    table = ub.ground_truth(info.ground_truth)
    encodings = list(table.accuracies().index)
    rng = np.random.default_rng(sum(map(ord, info.ground_truth)))
    chosen = [encodings[i] for i in sorted(rng.choice(len(encodings), 3, replace=False))]
    space = host.space(info.space).scaled(
        **dict(part.split("=", 1) for part in info.scale.split(",") if part)
    )
    proxies = [
        proxy for proxy in info.proxies if proxy.seconds < 2 and "fit" not in host.proxy(proxy.name).needs
    ]
    fresh = ub.score(
        [ub.Architecture(info.space, encoding) for encoding in chosen], [proxy.name for proxy in proxies],
        space=space, task=table.info.task, seed=info.seed,
    )  # fmt: skip
    packed = PackedScores([path])
    for configuration, proxy in info.configurations().items():
        stored = packed.columns([configuration], chosen)[configuration]
        own = fresh[fresh["proxy"] == proxy.name]
        for _, row in own.iterrows():
            assert stored.cells.loc[row["architecture"], "status"] == row["status"]
            value = stored.values.loc[row["architecture"], row["component"]]
            assert value == pytest.approx(row["value"], rel=1e-3, abs=1e-6, nan_ok=True), (
                proxy.name,
                row["component"],
            )

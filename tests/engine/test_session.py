"""A session gives what a run gives, computes nothing twice, and is one run in the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.toy import TASK, Toy, moody, spread, weights
from uninas_bench import Architecture, Proxy
from uninas_bench.cells import Status
from uninas_bench.engine import run
from uninas_bench.errors import UserError
from uninas_bench.host import Host, default_host
from uninas_bench.session import Session, open_session
from uninas_bench.store import open_store
from uninas_bench.store.contract import Provenance

RECORD = Provenance("0", "3", "", "", (), "", "session", "", "cpu", 1)
FIVE = [Architecture("toy", text) for text in ("bbb", "abc", "cab", "bca", "ccc")]


@pytest.fixture
def host() -> Host:
    return default_host()


def values(session: Session, architectures: list[Architecture]) -> list[dict[str, str]]:
    return [
        {
            outcome.configuration.proxy: outcome.components[outcome.configuration.proxy].hex()
            for outcome in row
        }
        for row in session.outcomes(architectures)
    ]


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_piece_by_piece_equals_all_at_once(tmp_path: Path, host: Host, workers: int) -> None:
    proxies: list[Proxy] = [weights, spread]
    scores = run(FIVE, proxies, space=Toy(), task=TASK)
    expected = [
        {proxy.name: float(scores.components(proxy.name).loc[a.encoding].iloc[0]).hex() for proxy in proxies}
        for a in FIVE
    ]
    store = tmp_path / "scores.db"
    options = {"space": Toy(), "task": TASK, "host": host, "store": store, "workers": workers}
    with open_session(proxies, record=lambda: RECORD, **options) as session:  # type: ignore[arg-type]
        pieces = values(session, FIVE[:1]) + values(session, FIVE[1:3]) + values(session, FIVE[3:])
        assert pieces == expected
        assert session.computed == 10
        assert values(session, [FIVE[2], FIVE[0], FIVE[2]]) == [expected[2], expected[0], expected[2]]
        assert session.computed == 10
    with open_session(proxies, record=lambda: RECORD, **options) as session:  # type: ignore[arg-type]
        assert values(session, FIVE) == expected, "what is stored has every bit"
        assert session.computed == 0
    with open_store(store, create=False) as opened:
        (record,) = opened.runs()
    assert record.provenance.command == "session"
    assert record.ended
    assert not record.interrupted


def test_failures_come_back_with_their_reason(tmp_path: Path, host: Host) -> None:
    odd = [Architecture("toy", text) for text in ("aba", "abb", "ccc")]
    for _ in range(2):
        with open_session(
            [moody], space=Toy(), task=TASK, host=host, store=tmp_path / "s.db", record=lambda: RECORD
        ) as session:
            found = [
                (row[0].status, row[0].message, dict(row[0].components)) for row in session.outcomes(odd)
            ]
        assert found == [
            (Status.ERROR, "ValueError: first line second line", {}),
            (Status.NOT_FINITE, "moody is nan", {}),
            (Status.OK, "", {"moody": 1.0}),
        ]


def test_an_error_marks_the_run_as_interrupted(tmp_path: Path, host: Host) -> None:
    def stop(_event: object) -> None:
        raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt, match="interrupted after 1 of 2 cells"),
        open_session(
            [weights], space=Toy(), task=TASK, host=host, store=tmp_path / "s.db", record=lambda: RECORD
        ) as session,
    ):
        session.outcomes(FIVE[:2], stop)
    with open_store(tmp_path / "s.db", create=False) as opened:
        assert [record.interrupted for record in opened.runs()] == [True]


def test_mistakes_are_found_on_opening(host: Host) -> None:
    for options, message in (({"workers": 0}, "workers=0"), ({"timeout": -1.0}, "timeout=-1.0")):
        with (
            pytest.raises(UserError, match=message),
            open_session(
                [weights],
                space=Toy(),
                task=TASK,
                host=host,
                record=lambda: RECORD,
                **options,  # type: ignore[arg-type]
            ),
        ):
            pass

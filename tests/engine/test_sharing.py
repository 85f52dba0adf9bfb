"""Proxies of one group: one network, one computation, the numbers of each alone, and their own faults."""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn

from tests.engine.toy import TASK, Toy
from uninas_bench import Proxy, Settings
from uninas_bench.api import score
from uninas_bench.engine import score_network

EVERY = list(Toy().enumerate())[:4]
asked: list[frozenset[str]] = []


class Member(Proxy):
    """The sum of the shared network's weights to some power; the engine runs it in this process."""

    group = "sums"
    power = 1

    def __init__(self, settings=None, name="first", power=1, broken=False):
        self.name, self.power, self.broken = name, power, broken
        super().__init__(settings)

    def _with(self, settings):
        return type(self)(settings, self.name, self.power, self.broken)

    def evaluate(self, subject):
        def compute(members):
            asked.append(members)
            if "broken" in members:
                raise RuntimeError("a fault of its own")
            time.sleep(0.02)
            weights = torch.cat([p.detach().flatten() for p in subject.network().parameters()]).double()
            return {name: float((weights.abs() ** power).sum()) for name, power in POWERS.items()}

        return {self.name: subject.shared(self.name, compute)[self.name]}


POWERS = {"first": 1, "second": 2, "third": 3, "broken": 0}


def members(*names):
    return [Member(name=name, power=POWERS[name]).with_settings(batch=2) for name in names]


@pytest.fixture(autouse=True)
def _nothing_asked():
    asked.clear()


def scored(proxies, **options):
    return score(EVERY, proxies, space=Toy(), task=TASK, **options)


def values(frame):
    return {(row.architecture, row.proxy): (row.status, float(row.value).hex()) for row in frame.itertuples()}


def test_one_computation_serves_all_members_of_a_unit():
    scored(members("first", "second", "third"))
    assert asked == [frozenset({"first", "second", "third"})] * len(EVERY)


def test_values_are_those_of_each_member_alone():
    together = values(scored(members("first", "second", "third")))
    alone = {}
    for name in ("first", "second", "third"):
        alone |= values(scored(members(name)))
    assert together == alone
    assert len({value for _, value in together.values()}) == len(together)


def test_a_fault_of_one_member_is_its_own():
    frame = scored(members("first", "broken", "second")).set_index("proxy")
    assert (frame.loc[["first", "second"], "status"] == "ok").all()
    assert (frame.loc["broken", "status"] == "error").all()
    assert values(scored(members("first")))[EVERY[0].encoding, "first"][0] == "ok"
    assert frozenset({"first"}) in asked


def test_other_settings_are_another_network_and_no_company():
    first, second = members("first")[0], members("second")[0].with_settings(batch=3)
    scored([first, second])
    assert asked == [frozenset({"first"}), frozenset({"second"})] * len(EVERY)


def test_the_cost_of_a_member_is_what_it_takes_alone():
    frame = scored(members("first", "second"))
    assert (frame["seconds"] >= 0.02).all()
    assert (frame["passes"] > 0).all()


def test_what_one_member_asks_for_is_not_the_others_cost():
    class Dear(Member):
        def evaluate(self, subject):
            def compute(members):
                time.sleep(0.02)
                if "dear" in members:
                    with subject.spending_for("dear"):
                        time.sleep(0.2)
                return 1.0

            return {self.name: subject.shared(self.name, compute)}

    def seconds(*names):
        proxies = [Dear(Settings(batch=2), name) for name in names]
        return scored(proxies).groupby("proxy")["seconds"].min()

    for order in (("dear", "cheap"), ("cheap", "dear")):
        found = seconds(*order)
        assert 0.02 <= found["cheap"] < 0.2
        assert found["dear"] >= 0.22


def test_a_member_computed_later_sees_the_same_network(tmp_path):
    store = tmp_path / "store.sqlite"
    scored(members("first"), store=store)
    later = scored(members("first", "second"), store=store)
    assert asked[-1] == frozenset({"second"})
    assert values(later) == values(scored(members("first", "second")))


def test_bare_networks_share_as_well():
    network = nn.Linear(3, 2)
    batches = [(torch.zeros(2, 3), torch.zeros(2, dtype=torch.long))]
    found = score_network(network, members("first", "second"), batches)
    assert asked == [frozenset({"first", "second"})]
    total = sum(p.double().abs().sum().item() for p in network.parameters())
    assert found["first"]["first"] == pytest.approx(total)


def test_without_a_group_nothing_is_shared():
    class Lonely(Member):
        group = ""

    proxies = [Lonely(Settings(batch=2), name, POWERS[name]) for name in ("first", "second")]
    frame = scored(proxies)
    assert asked == [frozenset({"first"}), frozenset({"second"})] * len(EVERY)
    assert (frame["status"] == "ok").all()

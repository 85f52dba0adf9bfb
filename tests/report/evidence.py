"""Evidence with a known answer, for pages and plots."""

from __future__ import annotations

import datetime

import uninas_bench as ub
from tests import toy
from uninas_bench.ground_truth.table import GroundTruth, GroundTruthInfo
from uninas_bench.host import default_host
from uninas_bench.report.page.views import page_view
from uninas_bench.report.plots.evidence import Question, collect

WHEN = datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC)
EVIL = "<script>alert('x')</script>\"&"


@ub.simple_proxy("nowhere", version=4)
def nowhere(subject):
    raise ub.NotApplicable("never")


PROXIES = (toy.perfect, toy.opposite, toy.fussy, nowhere)


def table(name="toy", seed=0, task="cifar10", count=24, protocol="made up"):
    found = toy.table(toy.architectures(count, seed=seed), task=task)
    info = GroundTruthInfo(name, "nasbench201", str(toy.SPACE.scale), task, protocol, "tests")
    return GroundTruth(info, found.rows)


def gathered(tables, proxies=PROXIES, **question):
    """Of one table, or across several."""
    one = len(tables) == 1
    asked = {"ground_truth": tables[0]} if one else {"across": list(tables)}
    return collect(Question(proxies=proxies, **asked, **question), store=None, packed=None)


def viewed(evidence, **options):
    options = {"command": "uninas-bench report", "made": WHEN, "pictures": 1, **options}
    return page_view(evidence, host=default_host(), **options)

from __future__ import annotations

import pytest

from uninas_bench import UserError
from uninas_bench_plugins._micro_probes.probes.catalogue import PROBES, probes, read_names, read_options
from uninas_bench_plugins._micro_probes.probes.jigsaw import Jigsaw
from uninas_bench_plugins._micro_probes.probes.memory import Memory
from uninas_bench_plugins._micro_probes.probes.rotation import Rotation


def test_probes_come_in_the_order_of_the_note_with_their_options():
    assert [probe.name for probe in probes()] == list(PROBES)
    options = read_options(["lgj.gamma=0.95", "lgj.assign=True", "vm.longtail=False", "vm.classes = 10"])
    assert probes(read_names("vm, lgj"), options) == (Jigsaw(gamma=0.95, assign=True), Memory(classes=10))
    assert probes(["rm"], {"lgj": {"gamma": "0.5"}}) == (Rotation(),)


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        ("lgj,cbs", [], r'no probe "cbs" \(known: lgj, oip, rm, csb, mf, vm\)'),
        ("", [], "no probes; known: lgj, oip, rm, csb, mf, vm"),
        ("lgj", ["lgi.gamma=1"], r'no probe "lgi"'),
        ("lgj", ["lgj.gama=1"], r'no lgj option "gama" \(known: grid, gamma, assign\)'),
        ("lgj", ["lgj.gamma=much"], "lgj: gamma=much: expected a number"),
        ("lgj", ["lgj.grid=4.5"], "lgj: grid=4.5: expected an integer"),
        ("lgj", ["lgj.assign=2"], "lgj: assign=2: expected true or false"),
        ("lgj", ["lgj.gamma=2"], "lgj: gamma=2: expected a cosine above 0, at most 1"),
        ("lgj", ["gamma=2"], "gamma=2: expected probe.option=value, as in lgj.gamma=0.95"),
        ("lgj", ["lgj.gamma"], "lgj.gamma: expected probe.option=value"),
    ],
)
def test_what_is_not_known_is_refused_in_one_line(names, options, message):
    with pytest.raises(UserError, match=message):
        probes(read_names(names), read_options(options))

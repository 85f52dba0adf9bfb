"""The file: read back as it was written, small, and whatever is wrong with it said in one line."""

from __future__ import annotations

import json

import pytest

from uninas_bench.baseline.files import read_baseline, write_baseline
from uninas_bench.errors import InvalidFile


def test_read_back_as_it_was_written(folder, tmp_path):
    baseline = read_baseline(folder / "baseline.json")
    write_baseline(baseline, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (folder / "baseline.json").read_bytes()
    assert read_baseline(tmp_path / "again.json") == baseline


def test_what_it_holds(folder):
    baseline = read_baseline(folder / "baseline.json")
    assert (baseline.space, baseline.task, baseline.sample) == ("nasbench201", "mnist-hard", 30)
    assert baseline.scale == "channels=8,cells=1"
    assert set(baseline.made_with) == {"uninas-bench", "python", "torch", "numpy", "processor"}
    assert [proxy.rank for proxy in baseline.proxies] == [1, 2, 3, 4]
    taus = [proxy.tau for proxy in baseline.proxies]
    assert taus == sorted(taus, reverse=True)
    spread = baseline.proxy("spread")
    assert spread.tau_low < spread.tau < spread.tau_high
    assert spread.passes > 0.5
    assert spread.plugin == "gate_plugin.py"
    assert len(spread.scores) == len(baseline.architectures) == 30


def test_scores_have_one_line_per_proxy(folder):
    lines = (folder / "baseline.json").read_text().splitlines()
    assert sum('"scores"' in line for line in lines) == 4
    assert len(lines) < 80


def damaged(folder, **changes):
    values = json.loads((folder / "baseline.json").read_text())
    for path, value in changes.items():
        *places, last = path.split("__")
        inner = values
        for place in places:
            inner = inner[int(place) if place.isdecimal() else place]
        inner[last] = value
    return json.dumps(values)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": "something"}, "no baseline"),
        ({"schema": 2}, "a baseline of format 2; this version of uninas-bench reads format 1"),
        ({"space": 3}, "space: input should be a valid string"),
        ({"surprise": 1}, "surprise: unexpected"),
        ({"proxies": []}, "proxies: there is none"),
        ({"proxies__0__scores": [1.0]}, "has 1 scores for 30 architectures"),
        ({"proxies__1__version": "one"}, r"proxies.1.version: input should be a valid integer"),
        ({"architectures": ["a", "a"]}, "architectures: expected 2 or more, each once"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(folder, tmp_path, changes, says):
    path = tmp_path / "bad.json"
    path.write_text(damaged(folder, **changes))
    with pytest.raises(InvalidFile, match=says) as error:
        read_baseline(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_a_proxy_twice(folder, tmp_path):
    values = json.loads((folder / "baseline.json").read_text())
    values["proxies"].append(values["proxies"][0])
    (tmp_path / "bad.json").write_text(json.dumps(values))
    with pytest.raises(InvalidFile, match="occurs twice"):
        read_baseline(tmp_path / "bad.json")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"null"])
def test_what_is_no_baseline(tmp_path, content):
    (tmp_path / "bad.json").write_bytes(content)
    with pytest.raises(InvalidFile):
        read_baseline(tmp_path / "bad.json")


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(InvalidFile, match="uninas-bench baseline record --output"):
        read_baseline(tmp_path / "none.json")

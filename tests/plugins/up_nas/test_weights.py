from __future__ import annotations

import csv
from pathlib import Path

import pytest

from uninas_bench import UserError
from uninas_bench.reproduce.published import find_table
from uninas_bench_plugins._up_nas.settings import UpNasSettings
from uninas_bench_plugins._up_nas.weights import (
    inline,
    paper_members,
    published,
    read_weights,
    weights_of,
    write_weights,
)


def test_the_papers_weightings_differ_as_it_says() -> None:
    members = paper_members()
    assert len(members) == 13
    every = {name: weights_of(name, members) for name in ("sum", "sum-", "weighted", "selected")}
    assert set(every["sum"].values()) == {1.0}
    assert {name for name in members if every["sum-"][name] != 1} == {"grasp"}
    assert {name for name, weight in every["selected"].items() if weight} == {
        "flops",
        "synflow",
        "jacov",
        "nwot",
    }
    assert max(every["weighted"].values()) == every["weighted"]["jacov"] == 1
    assert sum(weight < 0 for weight in every["weighted"].values()) == 4


@pytest.mark.data
def test_printed_numbers_are_those_that_were_read_from_the_paper(real_data: Path) -> None:
    folder, tables = real_data / "published", published()
    with (folder / "up_nas_table1_weights.csv").open() as file:
        for row in csv.DictReader(file):
            names = {
                "sum": "up_sum",
                "sum-": "up_sum_minus",
                "weighted": "up_weighted",
                "selected": "up_selected",
            }
            for name, column in names.items():
                assert tables["table1"][name][row["proxy"]] == float(row[column])
    with (folder / "up_nas_table2_kendall_nb201_cifar10.csv").open() as file:
        rows = {row["name"].removeprefix("up_"): row for row in csv.DictReader(file)}
    for title in ("original", "predicted"):
        printed = {name: float(row[f"tau_{title}"]) for name, row in rows.items()}
        assert tables["table2"][title] == printed
    with (folder / "up_nas_table7_mpe_hidden_layers.csv").open() as file:
        for row in csv.DictReader(file):
            _, table = find_table("up-nas-7")
            assert table.text(row["hidden_layers"], "validation") == row["cifar10_validation"]
            assert table.text(row["hidden_layers"], "test") == row["cifar10_test"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mine.json", '{"snip": -0.25, "nwot": 1}'),
        ("mine.toml", "snip = -0.25\nnwot = 1\n"),
    ],
)
def test_a_file_becomes_a_text_that_says_it_all(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    settings = UpNasSettings(weights=str(path))
    path.unlink()
    assert settings.weights == "snip:-0.25+nwot:1.0"
    assert settings.names == ("snip", "nwot")
    assert inline(settings.weights) == settings.weights
    assert weights_of(settings.weights, ["nwot", "flops", "snip"]) == {"nwot": 1, "flops": 0, "snip": -0.25}


def test_what_was_found_can_be_written_and_used(tmp_path: Path) -> None:
    found = {"snip": -0.123456789012345678, "l2_norm": 1e-20}
    write_weights(found, tmp_path / "found.json")
    assert read_weights(tmp_path / "found.json") == found
    assert UpNasSettings(weights=str(tmp_path / "found.json")).names == ("snip", "l2_norm")
    with pytest.raises(UserError, match="cannot be written"):
        write_weights(found, tmp_path / "no" / "folder.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"snip": "a"}', "snip: expected a finite number, got 'a'"),
        ('{"snip": NaN}', "snip: expected a finite number, got nan"),
        ('{"snip": true}', "snip: expected a finite number, got True"),
        ('{"a b": 1}', '"a b": expected the name of a proxy'),
        ('{"snip": 0}', "every weight is 0"),
        ("[1]", "expected one number for each proxy"),
        ("{}", "expected one number for each proxy"),
        ("{", "cannot be read: "),
    ],
)
def test_malformed_weights_are_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "weights.json"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        UpNasSettings(weights=str(path))
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights": "best"}, r"weights=best: expected sum, sum-, weighted, selected, tpe, a \.json"),
        ({"weights": "none.toml"}, "none.toml: cannot be read: No such file"),
        ({"weights": "nwot:1+nwot:2"}, "a proxy is there twice"),
        (
            {"weights": "nwto:1", "members": "nwot+snip"},
            'no proxy "nwto" among the members; did you mean "nwot"',
        ),
        ({"weights": "weighted", "members": "nwot+vkdnw"}, "the paper has no weight for vkdnw"),
        ({"weights": "selected", "members": "nwot+snip"}, 'flops:1: no proxy "flops" among the members'),
        ({"weights": "sum", "members": "nwot+nwot"}, "members=nwot.nwot: a proxy is there twice"),
        ({"weights": "tpe"}, "weights=tpe needs accuracies of some architectures"),
        ({"scores": "nowhere.csv"}, "scores=nowhere.csv: cannot be read: No such file"),
        ({"minibatch": 1}, "minibatch=1: expected at least 2"),
        ({"lr": 0.0}, "lr=0.0: expected more than 0"),
        ({"distance": -1.0}, "distance=-1.0: expected at least 0"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        UpNasSettings(**settings)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_any_proxy_counts_one_in_a_sum() -> None:
    assert weights_of("sum", ["vkdnw", "az_nas"]) == {"vkdnw": 1, "az_nas": 1}


def test_the_fit_depends_on_the_members_and_not_on_what_they_weigh() -> None:
    fits = {UpNasSettings(weights=name).for_fit() for name in ("sum", "sum-", "weighted", "selected")}
    assert len(fits) == 1
    assert UpNasSettings(weights="nwot:1").for_fit() not in fits
    assert UpNasSettings(rule="strict", rate=0.1, steps=5, distance=3).for_fit() in fits
    assert UpNasSettings(epochs=3).for_fit() not in fits

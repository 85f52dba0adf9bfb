"""What reads the texts of options."""

from __future__ import annotations

from pathlib import Path

import pytest

from uninas_bench.cli import options
from uninas_bench.errors import UserError
from uninas_bench.host import default_host


def test_names() -> None:
    assert options.read_names("vkdnw, params,vkdnw") == ("vkdnw", "params")
    assert options.read_names(None) is None


def test_samples() -> None:
    assert options.read_sample("all") is None
    assert options.read_sample("318") == 318


def test_scales() -> None:
    assert options.read_scale("channels=8, cells=1") == {"channels": "8", "cells": "1"}
    assert options.read_scale(None) == {}


def test_settings() -> None:
    read = options.read_settings(["vkdnw.batch=32", "vkdnw.fim=exact", "nwot.batch=8"])
    assert read == {"vkdnw": {"batch": "32", "fim": "exact"}, "nwot": {"batch": "8"}}


def test_data() -> None:
    assert options.read_data(["cifar10=a/b=c.npz"]) == {"cifar10": "a/b=c.npz"}


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (options.read_names, ","),
        (options.read_sample, "0"),
        (options.read_sample, "-3"),
        (options.read_sample, "many"),
        (options.read_scale, "channels"),
        (options.read_scale, "channels="),
        (lambda text: options.read_settings([text]), "batch=3"),
        (lambda text: options.read_settings([text]), "vkdnw.batch"),
        (lambda text: options.read_data([text]), "images.npz"),
    ],
)
def test_what_cannot_be_read_is_named_with_an_example(read, text: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match="expected") as caught:
        read(text)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_chosen_proxies_carry_their_settings() -> None:
    chosen = options.chosen_proxies(default_host(), ["nwot", "params"], {"nwot": {"batch": "8"}})
    assert [(proxy.name, proxy.settings.batch) for proxy in chosen] == [("nwot", 8), ("params", 64)]


def test_without_names_all_proxies_are_chosen() -> None:
    assert {proxy.name for proxy in options.chosen_proxies(default_host(), None, {})} == set(
        default_host().default_proxies()
    )


def test_a_setting_of_a_proxy_that_was_not_chosen_is_refused() -> None:
    with pytest.raises(UserError, match=r"--set nwot\.batch: nwot is not among --proxies params"):
        options.chosen_proxies(default_host(), ["params"], {"nwot": {"batch": "8"}})


def test_output_goes_to_a_file_or_says_why_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options.deliver("a,b\n1,2", tmp_path / "new" / "table.csv")
    assert (tmp_path / "new" / "table.csv").read_text() == "a,b\n1,2\n"
    assert "table.csv" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--output"):
        options.deliver("text", tmp_path / "file" / "table.csv")

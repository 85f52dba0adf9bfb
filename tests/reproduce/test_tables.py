"""The shipped tables: read, checked by their kinds, and equal to what other places know of them."""

from __future__ import annotations

import csv

import pytest

from uninas_bench.errors import InvalidFile, UnknownName
from uninas_bench.host import default_host
from uninas_bench.reproduce.outcome import Verdict
from uninas_bench.reproduce.published import find_table, papers, read_paper, table_names
from uninas_bench.reproduce.running import kind_of, reproduce


@pytest.mark.parametrize("name", table_names())
def test_every_table_is_one_of_its_kind(name):
    _, table = find_table(name)
    kind_of(table, default_host())


def test_every_table_of_the_papers_is_there():
    names = set(table_names())
    assert {f"uninas-{n}" for n in range(1, 7)} <= names
    assert {f"up-nas-{n}" for n in range(1, 8)} <= names
    assert {f"bossnas-{n}" for n in range(1, 6)} <= names
    assert {"vkdnw-1", "vkdnw-repository", "az-nas-1", "tf-nas-1", "tf-nas-2", "tf-nas-3"} <= names


def test_every_proxy_that_a_recipe_names_exists():
    host = default_host()
    for paper in papers().values():
        for table in paper.tables:
            for row in table.rows:
                name = str(row.recompute.get("proxy", ""))
                if name:
                    host.proxy(name).with_settings(**row.recompute.get("settings", {}))


@pytest.mark.parametrize("spelling", ["uninas-IV", "UniNAS 4", "uninas_iv", "uninas-4"])
def test_roman_numbers_are_numbers(spelling):
    assert find_table(spelling)[1].printed == "Table IV"


def test_a_misspelt_table_names_the_nearest():
    with pytest.raises(UnknownName, match='did you mean "uninas-4"'):
        find_table("uninsa-4")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("format = 1", "format = 2"), "format"),
        (('cells = ["1.0"]', 'cells = ["1.0", "2"]'), "has 2 cells for 1 columns"),
        (('cells = ["1.0"]', 'cells = ["one"]'), "'one' is no number"),
        (('key = "tau"', 'key = "tau", colour = "red"'), "colour"),
        (("rows_are", "row_are"), "rows_are"),
        (("[tables.recipe]", "[tables.recipe"), "no TOML"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path, change, complaint):
    text = (
        'format = 1\nkey = "x"\npaper = "X"\ncitation = "X"\n[[tables]]\nname = "1"\nprinted = "T"\n'
        'caption = "c"\n'
        'read_from = "r"\nrows_are = "proxy"\ncolumns = [{ key = "tau", title = "tau", kind = "tau" }]\n'
        'rows = [{ name = "a", cells = ["1.0"] }]\n[tables.recipe]\nkind = "printed"\nversion = 1\n'
    )
    path = tmp_path / "x.toml"
    path.write_text(text)
    read_paper(path)
    path.write_text(text.replace(*change))
    with pytest.raises(InvalidFile, match=complaint) as found:
        read_paper(path)
    assert "\n" not in str(found.value)


def test_table_one_of_uninas_has_three_misprints():
    """Those that docs/uninas.md names: both costs of ConvRed4, the parameters of RelPosBias."""
    found = reproduce("uninas-1")
    outside = {(cell.row, cell.column) for cell in found.cells if cell.verdict is Verdict.OUTSIDE}
    assert outside == {("ConvRed4", "params"), ("ConvRed4", "flops"), ("RelPosBias", "params")}


def test_every_setting_of_table_three_is_that_of_the_training_recipes():
    assert reproduce("uninas-3").counts() == {Verdict.INSIDE: 45}


def test_all_madds_of_table_one_of_bossnas_are_printed_so():
    found = reproduce("bossnas-1", columns=["MAdds"])
    computed = {cell.row: cell.measured.value for cell in found.cells if cell.measured is not None}
    assert len(computed) == 12
    assert {cell.verdict for cell in found.cells if cell.measured is not None} == {Verdict.INSIDE}
    assert computed["BossNet-T0 w/o SE"] == 3_441_888_768


def test_costs_of_table_four_of_uninas():
    found = {(cell.row, cell.column): cell for cell in reproduce("uninas-4").cells}
    assert found["ViT", "params"].measured.value == 26_398_156
    assert found["EfficientNet", "params"].verdict is Verdict.OUTSIDE
    assert found["UniNAS-A", "params"].verdict is Verdict.IMPOSSIBLE
    assert "ImageNet" in found["ResNet", "accuracy"].reason


@pytest.mark.data
def test_numbers_of_vkdnw_are_those_that_were_read(real_data):
    """tables/ against the file that the numbers were first written down in."""
    _, table = find_table("vkdnw-1")
    read = 0
    with (real_data / "published" / "nb201_proxies.csv").open() as file:
        for line in csv.reader(file):
            if "VKDNW table1.png (CVPR 2025 Table 1)" not in line:
                continue
            for metric, value in zip(("tau", "rho", "ndcg"), line[2:5], strict=True):
                assert table.text(line[0], f"{metric}-{line[1].lower()}") == value
                read += bool(value)
    assert read == sum(bool(cell) for row in table.rows for cell in row.cells) == 165

"""The page as text: escaped, self-contained, small, the same every time; its numbers are those of boards."""

from __future__ import annotations

import csv
import datetime
import io
import json
import re
from html.parser import HTMLParser

import pytest

import uninas_bench as ub
from tests import toy
from tests.report.evidence import EVIL, PROXIES, across_of, drawn, gathered, table, viewed
from uninas_bench import UserError
from uninas_bench.report.formats import to_csv
from uninas_bench.report.page.origin import moment
from uninas_bench.report.page.writing import page_html
from uninas_bench.report.plots.courses import read_course

VOID = {"meta", "input", "br", "path", "circle", "rect"}
LOADING = {"src", "srcset", "href", "action", "poster", "data", "xlink:href", "background"}


class Reader(HTMLParser):
    """Collects tags, links and tables; ends of cells and rows may be left out, as HTML allows."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.links, self.ids, self.tables = [], [], [], {}
        self._table = self._cell = None
        self._skip = 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append((tag, found))
        self.ids += [found["id"]] if "id" in found else []
        self.links += [value for name, value in attributes if name in LOADING]
        if tag == "table":
            self._table = self.tables.setdefault(found.get("id") or f"table{len(self.tables)}", [])
        elif tag == "tr" and self._table is not None:
            self._table.append([])
        elif tag in ("td", "th") and self._table is not None:
            self._table[-1].append("")
            self._cell = True
        elif tag == "small":
            self._skip += 1

    def handle_endtag(self, tag):
        if tag in ("table", "thead"):
            self._cell = None
        if tag == "small":
            self._skip -= 1

    def handle_data(self, data):
        if self._cell and not self._skip and self._table:
            self._table[-1][-1] += data.strip()


@pytest.fixture(scope="module")
def one():
    return gathered([table()])


@pytest.fixture(scope="module")
def text(one):
    return page_html(viewed(one))


@pytest.fixture(scope="module")
def page(text):
    return Reader(text)


def numbers(cell):
    return None if cell in ("", "-") else float(cell)


def test_nothing_leaves_the_file(page, text):
    assert page.links
    assert all(link.startswith("#") for link in page.links)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"link", "img", "iframe", "object", "embed", "base", "form", "audio", "video"}
    assert "@import" not in text
    assert "url(" not in text
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    (policy,) = [found["content"] for _, found in page.tags if "http-equiv" in found]
    assert policy.startswith("default-src 'none'")


def test_ids_are_unique_and_links_lead_somewhere(page):
    assert len(set(page.ids)) == len(page.ids)
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)


def test_the_board_has_the_numbers_of_the_csv(one, page):
    board = one.tables[0].board
    expected = list(csv.DictReader(io.StringIO(to_csv(board))))
    head, *rows = page.tables["t1-board"]
    assert [row[head.index("proxy")] for row in rows] == [row["proxy"] for row in expected]
    for row, truth in zip(rows, expected, strict=True):
        for column, name in (
            ("tau-b", "tau"),
            ("rho", "rho"),
            ("failed", "failed"),
            ("params", "tau_given_params"),
        ):
            shown, exact = numbers(row[head.index(column)]), numbers(truth[name])
            assert (shown is None) == (exact is None)
            assert shown is None or shown == pytest.approx(exact, abs=5.1e-4)
        low, high = truth["tau_low"], truth["tau_high"]
        if low:
            ends = re.findall(r"[-+]?[\d.]+", row[head.index("[95% interval]")])
            assert [float(end) for end in ends] == pytest.approx([float(low), float(high)], abs=5.1e-4)


def test_every_plot_has_a_dot_for_every_architecture(one, page):
    n = len(one.tables[0].found.accuracies)
    plots = [found for tag, found in page.tags if tag == "svg" and found.get("class") == "scatter"]
    paths = {"dots": [], "lost": []}
    for tag, found in page.tags:
        if tag == "path" and found.get("class") in paths:
            paths[found["class"]].append(found["d"].count("M"))
    assert len(plots) == len(one.tables[0].board) == len(paths["dots"])
    assert sum(paths["dots"]) + sum(paths["lost"]) == n * len(plots)
    for plot in plots:
        failed = [int(row) for row in plot["data-failed"].split(",") if row]
        assert all(0 <= row < n for row in failed)


def test_the_table_of_scores_holds_what_the_plots_point_at(one, page):
    head, *rows = page.tables["t1-scores-table"]
    assert head[:5] == ["architecture", "accuracy", "seeds' sd", "params", "FLOPs"]
    found = one.tables[0].found
    assert [row[0] for row in rows] == list(found.accuracies.index)
    columns = {column.proxy: column.scores for column in found.rows}
    for row in rows:
        assert float(row[1]) == pytest.approx(found.accuracies[row[0]], abs=5.1e-3)
        for proxy, cell in zip(head[5:], row[5:], strict=True):
            exact = columns[proxy][row[0]]
            assert (cell == "-") if exact != exact else float(cell) == pytest.approx(exact, rel=1e-5)


def test_what_others_name_is_escaped(tmp_path):
    @ub.simple_proxy("hostile", version=1)
    def hostile(subject):
        raise ub.NotApplicable(EVIL)

    hostile.name, hostile.components = EVIL, (EVIL,)
    evidence = gathered([table(name=EVIL, protocol=EVIL)], proxies=[toy.perfect, hostile])
    text = page_html(viewed(evidence, command=f"uninas-bench report {EVIL}"))
    assert "<script>alert" not in text
    assert text.count("<script>") == 1
    assert "&lt;script&gt;alert" in text
    page = Reader(text)
    assert EVIL in page.tables["t1-board"][-1] or any(EVIL in row for row in page.tables["t1-board"])
    assert any(found.get("data-key") == EVIL for _, found in page.tags)
    assert not [name for _, found in page.tags for name in found if name.startswith("on")]


def test_equal_evidence_gives_equal_pages(one, text):
    assert page_html(viewed(one)) == text
    later = page_html(viewed(one, made=datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC)))
    different = [a for a, b in zip(text.splitlines(), later.splitlines(), strict=True) if a != b]
    assert len(different) == 1
    assert "Made 2026-01-02 03:04 UTC" in different[0]


def test_the_time_is_what_the_builder_says(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert moment() == datetime.datetime(1970, 1, 2, tzinfo=datetime.UTC)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    with pytest.raises(UserError, match="SOURCE_DATE_EPOCH=soon: expected seconds"):
        moment()


def test_across_tables_the_matrix_has_every_tau():
    evidence = gathered([table("a", 0), table("b", 1, "cifar100")])
    page = Reader(page_html(viewed(evidence, pictures=0)))
    head, *rows = page.tables["m1"]
    assert head[:4] == ["proxy", "#", "mean place", "of ceiling"]
    frame = evidence.across
    assert [row[0] for row in rows] == list(dict.fromkeys(frame["proxy"]))
    for row in rows:
        for name, cell in zip(("a", "b"), row[4:], strict=True):
            (tau,) = frame[(frame["proxy"] == row[0]) & (frame["ground_truth"] == name)]["tau"]
            assert (cell == "-") if tau != tau else float(cell) == pytest.approx(tau, abs=5.1e-4)


def test_a_part_of_many_architectures_is_drawn_and_said(one):
    page = page_html(viewed(one, most_points=10, pictures=0))
    assert "10 of 24 are drawn" in page
    assert "10 of 24 architectures, evenly spaced" in page
    assert all(
        found["d"].count("M") <= 10
        for tag, found in Reader(page).tags
        if tag == "path" and found.get("class") == "dots"
    )


@pytest.mark.slow
def test_seven_tables_of_300_architectures_and_20_proxies_are_a_small_page():
    from uninas_bench.ground_truth.own_tables import OWN_TABLES
    from uninas_bench.host import default_host

    host = default_host()
    tables = [
        drawn(own.name, seed=seed, space=host.space(own.space).scaled(**own.scale))
        for seed, own in enumerate(OWN_TABLES)
    ]
    assert len(tables) == 7
    text = page_html(viewed(across_of(tables), pictures=3))
    assert len(text.encode()) < 3_000_000
    assert text.count('class="scatter"') == 7 * 20


def test_searches_are_on_the_page(one, tmp_path):
    folder = tmp_path / "run"
    ub.search(
        "nasbench201", "params", strategy="random", iterations=12, population=3, output=folder, store=None
    )
    course = read_course(folder)
    page = Reader(page_html(viewed(one, courses=[course], pictures=0)))
    _, *rows = page.tables["s1-candidates"]
    assert [row[-1] for row in rows] == [entry.architecture for entry in course.candidates.candidates]


def test_published_and_recomputed_never_share_a_column(one, tmp_path):
    from uninas_bench.report.page.reproductions import read_reproductions, reproduction_view
    from uninas_bench.report.tables import plain
    from uninas_bench.reproduce.outcome import Cell, ColumnHead, Measured, Reproduction, Verdict

    found = Reproduction(
        "x-1", "A paper", "cited", "Table 1", "A caption", "correlation", 1, "proxy",
        (ColumnHead("tau", "CIFAR-10", "KT", "tau", ""),),
        (
            Cell("nwot", "tau", "0.58", 0.58, 0.005, "", Measured(0.5734, 0.55, 0.60, n=300), Verdict.INSIDE),
            Cell("zen", "tau", "0.31", 0.31, 0.005, "smudged", None, Verdict.IMPOSSIBLE, "a GPU"),
        ),
        ("300 architectures",),
    )  # fmt: skip
    file = tmp_path / "x.json"
    file.write_text(json.dumps(plain(found.as_dict())), encoding="utf-8")
    (read,) = read_reproductions(file)
    page = Reader(page_html(viewed(one, reproductions=[reproduction_view(read, 1)], pictures=0)))
    head, first, second = page.tables["r1"]
    assert head == [
        "proxy",
        "column",
        "published",
        "recomputed",
        "[95% interval]",
        "n",
        "verdict",
        "what to know",
    ]
    assert first == ["nwot", "CIFAR-10 KT", "0.58", "0.573", "[0.550, 0.600]", "300", "inside", ""]
    assert second[2:] == ["0.31", "-", "-", "-", "not computable", "a GPU; uncertain in print: smudged"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "not JSON; uninas-bench reproduce run"),
        ('{"format": 99}', "no reproduction"),
        ("[1]", "no reproduction"),
    ],
)
def test_a_file_that_is_no_reproduction_is_told(tmp_path, content, told):
    from uninas_bench.report.page.reproductions import read_reproductions

    file = tmp_path / "x.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=told):
        read_reproductions(file)
    with pytest.raises(UserError, match="No such file"):
        read_reproductions(tmp_path / "y.json")


def test_the_same_from_python(tmp_path):
    path = ub.report(
        tmp_path / "deep" / "page.html",
        ground_truth=table(),
        proxies=PROXIES[:2],
        store=None,
        packed=None,
        pictures=0,
    )
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")

"""The page in a real browser: it loads nothing, complains of nothing, sorts, filters, tells of dots."""

from __future__ import annotations

import csv
import shutil

import pytest

from tests.report.evidence import across_of, drawn, gathered, table, viewed
from uninas_bench.report.page.writing import page_html

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# As root in a container the sandbox cannot start; no service of the browser's maker is to be asked.
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    program = next((path for name in NAMES if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on the PATH")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=program, args=list(FLAGS))
        yield found
        found.close()


@pytest.fixture(scope="module")
def evidence():
    return across_of([drawn("a", count=40, proxies=6), drawn("b", count=40, proxies=6, seed=1)])


@pytest.fixture(scope="module")
def file(evidence, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page_html(viewed(evidence)), encoding="utf-8")
    return path


class Opened:
    """A page, with what it asked for and what it complained of."""

    def __init__(self, browser, file, **context):
        self.context = browser.new_context(accept_downloads=True, **context)
        self.page = self.context.new_page()
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(file.as_uri())

    def settle(self):
        """Scrolling hides what was told of a dot, and the browser says only later that it scrolled."""
        frame = "new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))"
        for _ in range(2):
            self.page.evaluate(f"() => {frame}")

    def column(self, table, place):
        return self.page.eval_on_selector_all(
            f"#{table} tbody tr:not([hidden])",
            f"rows => rows.map(row => row.cells[{place}].firstChild.textContent.trim())",
        )


@pytest.fixture
def opened(browser, file):
    found = Opened(browser, file, viewport={"width": 1300, "height": 900})
    yield found
    found.context.close()
    assert found.said == []
    assert found.asked == [file.as_uri()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1300, 900), (360, 740)])
def test_it_fits_its_window_in_either_colour(browser, file, scheme, width, height):
    found = Opened(browser, file, color_scheme=scheme, viewport={"width": width, "height": height})
    inside, outside = found.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert inside <= outside
    paper = found.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") is (scheme == "light")
    found.page.check("#theme-light" if scheme == "dark" else "#theme-dark")
    assert found.page.evaluate("getComputedStyle(document.body).backgroundColor") != paper
    found.context.close()
    assert (found.said, found.asked) == ([], [file.as_uri()])


def test_the_choice_of_colours_is_kept(opened, file):
    opened.page.check("#theme-dark")
    opened.page.reload()
    assert opened.page.is_checked("#theme-dark")
    opened.asked.pop()


def test_text_can_be_read_in_either_colour(browser, file):
    """WCAG's ratio of 4.5 for texts, of 3 for what is drawn."""
    ratio = """([name, on]) => {
      const rgb = (text) => { const c = document.createElement('canvas').getContext('2d'); c.fillStyle = text;
        c.fillRect(0, 0, 1, 1); return [...c.getImageData(0, 0, 1, 1).data].slice(0, 3); };
      const light = (text) => { const [r, g, b] = rgb(text).map((v) => v / 255)
        .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const style = getComputedStyle(document.documentElement);
      const [a, b] = [name, on].map((v) => light(style.getPropertyValue(v).trim())).sort((x, y) => y - x);
      return (a + 0.05) / (b + 0.05); }"""
    for scheme in ("light", "dark"):
        found = Opened(browser, file, color_scheme=scheme)
        for name in ("--ink", "--muted", "--link"):
            assert found.page.evaluate(ratio, [name, "--paper"]) >= 4.5, (scheme, name)
        for name in ("--pos", "--neg"):
            assert found.page.evaluate(ratio, [name, "--strong"]) >= 4.5, (scheme, name)
        for name in ("--dot", "--lost", "--here", "--front", "--ceiling", *(f"--c{i}" for i in range(6))):
            assert found.page.evaluate(ratio, [name, "--paper"]) >= 3, (scheme, name)
        found.context.close()


def test_a_head_sorts_and_sorts_back(opened):
    rows = opened.column("t1-board", 1)
    head = opened.page.locator("#t1-board thead th", has_text="failed")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    failed = list(map(int, opened.column("t1-board", 12)))
    assert failed == sorted(failed, reverse=True)
    head.locator("button").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    failed = list(map(int, opened.column("t1-board", 12)))
    assert failed == sorted(failed)
    assert sorted(opened.column("t1-board", 1)) == sorted(rows)


def test_what_is_missing_stays_last_and_negative_numbers_are_numbers(opened):
    for _ in range(2):
        opened.page.locator("#t1-board thead th", has_text="x forward").locator("button").click()
        passes = opened.column("t1-board", 11)
        assert passes[-2:] == ["-", "-"]
        assert "-" not in passes[:-2]
    opened.page.locator("#t1-board thead th", has_text="tau-b").locator("button").click()
    taus = list(map(float, opened.column("t1-board", 2)))
    assert taus == sorted(taus, reverse=True)
    assert taus[-1] < 0


def test_a_filter_leaves_what_it_names(opened):
    opened.page.locator("#t1 .tools input").first.fill("PROXY_03")
    assert opened.column("t1-board", 1) == ["proxy_03"]
    assert opened.page.locator("#t1 .tools [role=status]").first.inner_text() == "1 of 6"
    cards = opened.page.locator("#t1 .scatters")
    opened.page.get_by_label("filter proxies").first.fill("proxy")
    assert cards.locator("figure:visible").count() == 4


def test_pointing_at_a_dot_tells_its_architecture(opened, evidence):
    found = evidence.tables[0].found
    plot = opened.page.locator("#t1 svg.scatter").nth(1)
    name = opened.page.locator("#t1 .scatters figure").nth(1).get_attribute("data-key")
    plot.scroll_into_view_if_needed()
    opened.settle()
    x, y = opened.page.evaluate(
        """() => { const svg = document.querySelectorAll('#t1 svg.scatter')[1];
        const [, x, y] = svg.querySelector('.dots').getAttribute('d').match(/M(\\d+) (\\d+)/);
        const box = svg.getBoundingClientRect(); const scale = box.width / svg.viewBox.baseVal.width;
        return [box.left + x * scale, box.top + y * scale]; }"""
    )
    opened.page.mouse.move(x, y)
    tip = opened.page.locator("#tip")
    tip.wait_for(state="visible")
    encoding = tip.locator("code").inner_text()
    assert encoding in found.accuracies.index
    (column,) = (row for row in found.rows if row.proxy == name)
    told = tip.inner_text()
    assert f"accuracy {found.accuracies[encoding]:.2f} %" in told
    assert f"{name} {column.scores[encoding]:.6g}" in told
    # The same architecture is ringed in every plot of this table, and in none of the other.
    assert opened.page.locator("#t1 .here[visibility=visible]").count() == 6
    assert opened.page.locator("#t2 .here[visibility=visible]").count() == 0
    opened.page.mouse.move(2, 2)
    tip.wait_for(state="hidden")


def test_the_arrow_keys_go_from_dot_to_dot(opened, evidence):
    accuracies = evidence.tables[0].found.accuracies
    plot = opened.page.locator("#t1 svg.scatter").nth(0)
    plot.focus()
    opened.settle()
    seen = []
    for _ in range(len(accuracies)):
        opened.page.keyboard.press("ArrowRight")
        seen.append(opened.page.locator("#tip code").inner_text())
    assert sorted(seen) == sorted(accuracies.index)
    opened.page.keyboard.press("Escape")
    assert opened.page.locator("#tip").is_hidden()


def test_a_link_to_numbers_opens_them_and_they_can_be_saved(opened, evidence):
    scores = opened.page.locator("#t1-scores-table")
    assert not scores.is_visible()
    opened.page.locator("#t1 .scatters a", has_text="numbers").first.click()
    assert scores.is_visible()
    opened.page.locator("#t1-board thead th", has_text="failed").locator("button").click()
    with opened.page.expect_download() as waiting:
        opened.page.locator("#t1 details.all .tools button").click()
    rows = list(csv.reader(waiting.value.path().read_text(encoding="utf-8").splitlines()))
    assert rows[0][:5] == ["architecture", "accuracy", "seeds' sd", "params", "FLOPs"]
    accuracies = evidence.tables[0].found.accuracies
    assert {row[0]: row[1] for row in rows[1:]} == {
        name: f"{value:.2f}" for name, value in accuracies.items()
    }
    opened.asked[:] = [url for url in opened.asked if not url.startswith("blob:")]


def test_the_matrix_is_saved_as_it_reads(opened):
    with opened.page.expect_download() as waiting:
        opened.page.locator("#across .tools button").first.click()
    rows = list(csv.reader(waiting.value.path().read_text(encoding="utf-8").splitlines()))
    assert rows[0][:4] == ["proxy", "#", "mean place", "of ceiling"]
    assert rows[0][4].endswith("nasbench201")
    assert all(-1 <= float(cell) <= 1 for row in rows[1:] for cell in row[4:])
    opened.asked[:] = [url for url in opened.asked if not url.startswith("blob:")]


def test_without_scripts_everything_is_there(browser, file):
    found = Opened(browser, file, java_script_enabled=False)
    assert found.page.locator("#t1-board tbody tr").count() == 6
    assert found.page.locator("#t1 svg.scatter").count() == 6
    assert found.page.locator("button").count() == 0
    found.page.locator("#t1 details.all summary").click()
    assert found.page.locator("#t1-scores-table").is_visible()
    found.page.check("#theme-dark")
    found.context.close()
    assert (found.said, found.asked) == ([], [file.as_uri()])


def test_it_prints(browser, file):
    found = Opened(browser, file)
    printed = found.page.pdf(prefer_css_page_size=True)
    found.context.close()
    assert printed.startswith(b"%PDF")
    assert found.said == []


def test_hostile_names_do_nothing(browser, tmp_path):
    from tests import toy
    from tests.report.evidence import EVIL

    file = tmp_path / "hostile.html"
    evidence = gathered([table(name=EVIL, protocol=EVIL)], proxies=[toy.perfect])
    file.write_text(page_html(viewed(evidence, command=EVIL)), encoding="utf-8")
    found = Opened(browser, file)
    alerts = []
    found.page.on("dialog", lambda dialog: alerts.append(dialog.message))
    found.page.locator("svg.scatter").first.hover()
    found.context.close()
    assert (alerts, found.said, found.asked) == ([], [], [file.as_uri()])

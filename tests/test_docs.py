"""The documentation is a contract: it names every hook and command, and its Python blocks run."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from uninas_bench import hookspecs
from uninas_bench.cli import main
from uninas_bench.cli.group import CommandLine
from uninas_bench.host import DISTRIBUTION, build_host, default_host

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
HOOKS = [name for name in hookspecs.__all__ if name.startswith("uninas_bench_")]


def headings(page: str) -> list[str]:
    return re.findall(r"^#+ (.*)$", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE)


def section(page: str, heading: str) -> str:
    """The text under a heading, up to the next one of any level."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = re.search(rf"^#+ {re.escape(heading)}$(.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"{page} has no section {heading}"
    return found.group(1)


def walk(command: click.Command, path: str, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from walk(child, f"{path} {name}", context)


def commands() -> dict[str, click.Command]:
    found = dict(walk(main, "uninas-bench", click.Context(main)))
    del found["uninas-bench"]
    return found


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_heads_a_section_with_its_arguments(name: str) -> None:
    signature = inspect.signature(getattr(hookspecs, name))
    arguments = ", ".join(f"{p.name}: {p.annotation}" for p in signature.parameters.values())
    assert f"`{name}({arguments}) -> {signature.return_annotation}`" in headings("hooks.md")


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_has_an_example_that_is_a_plugin(name: str, tmp_path: Path) -> None:
    (heading,) = (heading for heading in headings("hooks.md") if heading.startswith(f"`{name}("))
    example = re.search(r"^```py(?:thon)?\n(.*?)^```", section("hooks.md", heading), re.MULTILINE | re.DOTALL)
    assert example is not None, f"{name} has no example"
    plugin = tmp_path / "example.py"
    plugin.write_text(example.group(1), encoding="utf-8")
    host = build_host([plugin])
    host.collect_all()
    host.add_commands(CommandLine("test"))
    (info,) = (info for info in host.plugins if info.name == str(plugin))
    assert not info.reason
    assert info.hooks == (name,)


def test_hooks_that_are_gone_are_gone_from_the_docs() -> None:
    documented = {heading.strip("`").partition("(")[0] for heading in headings("hooks.md")[1:]}
    assert documented == set(HOOKS)


def test_every_command_heads_a_section_that_names_its_options() -> None:
    common = section("cli.md", "Options that mean the same everywhere")
    for path, command in commands().items():
        text = section("cli.md", path)
        for option in command.params:
            if isinstance(option, click.Option) and "--help" not in option.opts:
                name = max(option.opts, key=len)
                assert f"`{name}" in text or f"`{name}" in common, f"cli.md: {path} does not name {name}"


def test_commands_that_are_gone_are_gone_from_the_docs() -> None:
    documented = {heading for heading in headings("cli.md") if heading.startswith("uninas-bench ")}
    assert documented == set(commands())


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if BLOCK.search(page.read_text(encoding="utf-8"))], ids=lambda p: p.name
)
def test_python_blocks_run_in_order(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "docs"}
    for number, block in enumerate(BLOCK.findall(page.read_text(encoding="utf-8"))):
        exec(compile(block, f"{page.name} block {number}", "exec", dont_inherit=True), namespace)


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readme_shows_the_plugin_that_is_tested() -> None:
    plugin = ROOT / "tests" / "third_party_plugin" / "activation" / "uninas_bench_activation.py"
    assert plugin.read_text(encoding="utf-8") in BLOCK.findall(
        (ROOT / "README.md").read_text(encoding="utf-8")
    )


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 150


def proxies_that_come_with_the_package() -> list[str]:
    host = default_host()
    origins = {plugin.name: plugin.origin for plugin in host.plugins}
    return [name for name in host.proxies if origins[host.owner("proxy", name)].split()[0] == DISTRIBUTION]


def test_every_proxy_has_its_formula_origin_and_limits() -> None:
    assert set(headings("proxies.md")[1:]) == set(proxies_that_come_with_the_package())
    for name in proxies_that_come_with_the_package():
        text = section("proxies.md", name)
        assert re.search(r"^\$\$.+\$\$$", text, re.MULTILINE), f"{name} has no formula"
        assert "**Limits.**" in text, f"{name} has no limits"
        assert f"```{{proxy}} {name}\n```" in text, f"{name} does not say what it says of itself"


def test_every_page_is_in_the_contents() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    contents = set(re.findall(r"^([\w/-]+)$", index, re.MULTILINE))
    pages = {page.relative_to(ROOT / "docs").with_suffix("").as_posix() for page in PAGES[1:]}
    assert contents == {page for page in pages if not page.startswith("decisions/0")} - {"index"}
    for page in contents:
        assert f"]({page}.md)" in index, f"{page} is in the contents, and in no table"


def test_no_page_has_a_name_that_sphinx_takes() -> None:
    assert not {page.name for page in PAGES} & {"search.md", "genindex.md", "modindex.md"}


def test_every_column_of_the_store_has_a_meaning() -> None:
    from uninas_bench.store.schema import metadata

    lacking = [str(c) for table in metadata.sorted_tables for c in table.columns if not c.doc]
    assert not lacking


def modules_with_examples() -> list[str]:
    roots = {"uninas_bench": ROOT, "plugins/uninas_bench_plugins": ROOT / "plugins"}
    return [
        ".".join(file.relative_to(base).with_suffix("").parts)
        for folder, base in roots.items()
        for file in sorted((ROOT / folder).rglob("*.py"))
        if ">>> " in file.read_text(encoding="utf-8")
    ]


@pytest.mark.parametrize("module", modules_with_examples())
def test_examples_in_docstrings(module: str) -> None:
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted > 0
    assert result.failed == 0

"""The plugin host: whatever is wrong with one plugin is said in a line, and the others work."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from uninas_bench.errors import PluginError, UnknownName, UserError
from uninas_bench.host import Host, PluginInfo, build_host, proxy_of_file

GOOD = """
from uninas_bench import hookimpl, simple_proxy

@simple_proxy("steps", version=3, batch=8)
def steps(subject):
    return 1.0

@hookimpl
def uninas_bench_proxies():
    return [steps]
"""

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, source: str) -> Path:
        path = tmp_path / name
        path.write_text(source, encoding="utf-8")
        return path

    return write


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """Put distributions with one entry point each on the path, as an installer would."""

    def install(sources: dict[str, str]) -> None:
        for name, source in sources.items():
            module = f"host_test_{name}"
            (tmp_path / f"{module}.py").write_text(source, encoding="utf-8")
            info = tmp_path / f"{module}-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
            (info / "entry_points.txt").write_text(f"[uninas_bench]\n{name} = {module}\n")
            monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.syspath_prepend(tmp_path)

    return install


def info_of(host: Host, name: str | Path) -> PluginInfo:
    return next(plugin for plugin in host.plugins if plugin.name == str(name))


def test_a_plugin_file_adds_its_proxy(write: Write) -> None:
    host = build_host([write("steps.py", GOOD)])
    assert host.proxy("steps").version == 3
    assert host.proxy("steps").settings.batch == 8


def test_entry_points_are_loaded_one_by_one(
    installed: Callable[[dict[str, str]], None], caplog: pytest.LogCaptureFixture
) -> None:
    installed({
        "aa_broken": "import a_module_that_nobody_has",
        "bb_exits": "raise SystemExit(3)",
        "cc_good": GOOD,
    })  # fmt: skip
    host = build_host()
    assert "steps" in host.proxies
    assert host.owner("proxy", "steps") == "cc_good"
    assert "a_module_that_nobody_has" in info_of(host, "aa_broken").reason
    assert info_of(host, "aa_broken").origin == "host_test_aa_broken 1.0"
    assert info_of(host, "bb_exits").reason == "SystemExit: 3"
    assert info_of(host, "cc_good").hooks == ("uninas_bench_proxies",)
    assert "plugin aa_broken (host_test_aa_broken 1.0): ModuleNotFoundError" in caplog.text


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param(
            GOOD.replace("uninas_bench_proxies", "uninas_bench_proxys"),
            'no hook "uninas_bench_proxys"; did you mean "uninas_bench_proxies"?',
            id="misspelt",
        ),
        pytest.param(GOOD.replace("@hookimpl", ""), "uninas_bench_proxies lacks @hookimpl", id="unmarked"),
        pytest.param("x = 1", "it implements no hook", id="no hook"),
        pytest.param("def (", "SyntaxError", id="syntax"),
        pytest.param(
            GOOD.replace("uninas_bench_proxies()", "uninas_bench_proxies(batch)"), "batch", id="arguments"
        ),
        pytest.param(
            GOOD.replace("batch=8", "batch=0"), "batch=0: expected at least 1", id="user error"
        ),
    ],
)  # fmt: skip
def test_a_plugin_that_cannot_be_loaded_is_reported(write: Write, source: str, reason: str) -> None:
    broken, good = write("broken.py", source), write("good.py", GOOD)
    host = build_host([broken, good])
    assert reason in info_of(host, broken).reason
    assert "\n" not in info_of(host, broken).reason
    assert host.proxy("steps").name == "steps"
    assert host.failures == (*(f for f in host.failures if f.name != str(broken)), info_of(host, broken))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
        ("return None", "returned None; expected a list"),
        ("return [3]", "3 is no Proxy"),
        ("return [Proxy]", "Proxy is a class; return an instance of it: Proxy()"),
        ("return [a_proxy(name='two words')]", "name is 'two words'"),
        ("return [a_proxy(name=None)]", "name is None"),
        ("return [a_proxy(version='1')]", "version is '1'; expected an integer"),
        ("return [a_proxy(components=['a'])]", "components is ['a']; expected a tuple"),
        ("return [a_proxy(components=('a', 'b'))]", "no method aggregate, which 2 components need"),
        ("return [a_proxy(needs={'image'})]", "needs image; known: images, labels, gradients, fit"),
        ("return [a_proxy(needs={'fit'})]", 'a method fit and "fit" in needs go together'),
        ("return [a_proxy(evaluate=Proxy.evaluate)]", "no method evaluate"),
        ("return [a_proxy(settings=None)]", "no settings"),
        ("return [a_proxy(name='steps'), a_proxy(name='more')]", '"steps" is already registered by'),
        ("return [a_proxy(requires=('nothing',))]", 'proxy "mine" requires "nothing"'),
    ],
)
def test_a_hook_that_breaks_its_contract_is_reported(write: Write, body: str, reason: str) -> None:
    source = f"""
from uninas_bench import Proxy, hookimpl

def a_proxy(**attributes):
    kind = type("Mine", (Proxy,), {{"name": "mine", "evaluate": lambda self, subject: {{}}}})
    made = kind()
    for name, value in attributes.items():
        setattr(kind if name == "evaluate" else made, name, value)
    return made

@hookimpl
def uninas_bench_proxies():
    {body}
"""
    bad, good = write("bad.py", source), write("good.py", GOOD)
    host = build_host([good, bad])
    assert "steps" in host.proxies
    assert "mine" not in host.proxies
    assert reason in info_of(host, bad).reason
    assert info_of(host, good).reason == ""


@pytest.mark.parametrize(
    ("hook", "things", "reason"),
    [
        ("spaces", "Thing(name='s', version=1)", "no method scaled, enumerate"),
        ("spaces", "Thing(name='s', version=0)", "version is 0"),
        ("data", "Thing(name='d')", "no method load"),
        ("data", "Thing(name='d', load=print)", "no fingerprint"),
        ("ground_truth", "Thing(name='g')", "is no GroundTruthEntry"),
        ("executors", "Thing(name='e')", "is no ExecutorFactory"),
    ],
)
def test_other_things_are_checked_too(write: Write, hook: str, things: str, reason: str) -> None:
    path = write(
        "things.py",
        f"""
from types import SimpleNamespace as Thing
from uninas_bench import hookimpl

@hookimpl
def uninas_bench_{hook}():
    return [{things}]
""",
    )
    host = build_host([path])
    host.collect_all()
    assert reason in info_of(host, path).reason


def test_the_harness_itself_registers_without_fault() -> None:
    host = build_host()
    host.collect_all()
    assert host.failures == ()
    assert {"nasbench201", "nats_size"} <= set(host.spaces)
    assert {"params", "flops", "nwot", "zico", "az_nas", "vkdnw", "vkdnw_agg", "jacov"} <= set(host.proxies)
    assert {"serial", "processes"} <= set(host.executors)


def test_blocked_plugins_are_never_imported(
    installed: Callable[[dict[str, str]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed({"cc_good": GOOD, "dd_loud": "raise RuntimeError('imported')"})
    monkeypatch.setenv("UNINAS_BENCH_DISABLE_PLUGINS", "dd_loud, cc_good")
    host = build_host()
    assert "steps" not in host.proxies
    assert info_of(host, "dd_loud").blocked
    assert not any(plugin.name == "dd_loud" for plugin in host.failures)


def test_without_a_required_proxy_only_those_that_need_it_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNINAS_BENCH_DISABLE_PLUGINS", "az_nas")
    host = build_host()
    assert "az_nas" not in host.proxies
    assert "params" in host.proxies
    assert all(required in host.proxies for proxy in host.proxies.values() for required in proxy.requires)


def test_two_plugins_of_one_name_are_told_apart(installed: Callable[[dict[str, str]], None]) -> None:
    installed({"costs": GOOD})
    host = build_host()
    taken = [plugin for plugin in host.failures if "is taken" in plugin.reason]
    assert [plugin.origin for plugin in taken] == ["host_test_costs 1.0"]
    assert "params" in host.proxies


def test_tracing_shows_hook_calls_and_answers(
    write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNINAS_BENCH_TRACE_PLUGINS", "1")
    path = write("steps.py", GOOD)
    assert "steps" in build_host([path]).proxies
    assert (
        f"trace: {path}: uninas_bench_proxies -> [[<uninas_bench.proxy._FunctionProxy"
        in capsys.readouterr().err
    )


def test_names_are_suggested(write: Write) -> None:
    host = build_host([write("steps.py", GOOD)])
    with pytest.raises(
        UnknownName, match=r'no proxy "stepps"; did you mean "steps"\? \(uninas-bench proxies lists'
    ):
        host.proxy("stepps")
    with pytest.raises(UnknownName, match='did you mean "nasbench201"'):
        host.space("nasbench101")


def test_a_missing_plugin_file_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--plugin .*none\.py: no such file"):
        build_host([tmp_path / "none.py"])


def test_proxy_of_file(write: Write) -> None:
    assert proxy_of_file(write("steps.py", GOOD)).name == "steps"
    with pytest.raises(PluginError, match="SyntaxError"):
        proxy_of_file(write("broken.py", "def ("))
    empty = "from uninas_bench import hookimpl\n@hookimpl\ndef uninas_bench_proxies():\n    return []"
    with pytest.raises(UserError, match="with one proxy, found 0"):
        proxy_of_file(write("empty.py", empty))


def test_a_proxy_of_a_file_with_settings_travels_to_other_processes(write: Write) -> None:
    """Settings with text annotations are read where the module is known, and no worker knows the module."""
    import cloudpickle

    source = """
from __future__ import annotations
from dataclasses import dataclass
from typing import Literal
from uninas_bench import Proxy, Settings, hookimpl

@dataclass(frozen=True, kw_only=True)
class Mine(Settings):
    kind: Literal["a", "b"] = "a"

class Custom(Proxy):
    name = "custom"
    Settings = Mine
    def evaluate(self, subject):
        return {"custom": 1.0 if self.settings.kind == "b" else 0.0}

@hookimpl
def uninas_bench_proxies():
    return [Custom()]
"""
    proxy = proxy_of_file(write("custom.py", source)).with_settings(kind="b")
    with pytest.raises(UserError, match=r"custom\.kind=c"):
        proxy.with_settings(kind="c")
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).evaluate(None))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=cloudpickle.dumps(proxy),
        capture_output=True,
        check=True,
        env={**os.environ},
    )
    assert done.stdout.strip() == b"{'custom': 1.0}"
    assert pickle.loads(cloudpickle.dumps(proxy)).settings == proxy.settings

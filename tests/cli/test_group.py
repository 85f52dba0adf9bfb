"""Exit codes and error lines of the command line as a whole, and commands that come from plugins."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from uninas_bench import __version__
from uninas_bench.cli import COMMANDS
from uninas_bench.cli.group import CommandLine
from uninas_bench.errors import UserError

Run = Callable[..., Result]


def a_line(**behaviour: Callable[[], None]) -> CommandLine:
    """A command line whose commands do as told."""
    line = CommandLine("test")
    for name, act in behaviour.items():
        line.add_command(click.Command(name, callback=act))
    return line


def raising(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


def test_version_and_module_entry() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "uninas_bench", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"uninas-bench {__version__}"


def test_help_lists_every_command(run: Run) -> None:
    result = run("--help")
    assert all(name in result.stdout for name in COMMANDS)
    assert result.stderr == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_and_its_options(run: Run, name: str) -> None:
    result = run(name, "--help")
    assert result.stdout.startswith(f"Usage: uninas-bench {name}")
    lines = result.stdout.splitlines()
    options = [line.strip() for line in lines if line.startswith("  -")]
    assert all(
        len(option.split("  ")) > 1 or lines[lines.index(f"  {option}") + 1].strip() for option in options
    )


def test_a_users_mistake_is_one_line_and_2() -> None:
    result = CliRunner().invoke(a_line(go=raising(UserError("batch=0: expected at least 1"))), ["go"])
    assert (result.exit_code, result.stderr) == (2, "error: batch=0: expected at least 1\n")
    assert result.stdout == ""


def test_a_fault_keeps_its_traceback_and_is_70() -> None:
    result = CliRunner().invoke(a_line(go=raising(ZeroDivisionError("division by zero"))), ["go"])
    assert result.exit_code == 70
    assert "Traceback" in result.stderr
    assert "ZeroDivisionError: division by zero" in result.stderr


def test_an_interruption_is_a_sentence_and_130() -> None:
    result = CliRunner().invoke(a_line(go=raising(KeyboardInterrupt())), ["go"])
    assert result.exit_code == 130
    assert result.stderr.strip().startswith("interrupted")
    assert "Traceback" not in result.stderr


def test_a_real_interrupt_signal() -> None:
    code = "import os, signal; from tests.cli.test_group import a_line\n"
    code += f"a_line(go=lambda: os.kill(os.getpid(), {int(signal.SIGINT)}))(['go'])"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
        env={**os.environ},
    )
    assert done.returncode == 130
    assert "Traceback" not in done.stderr


def test_a_command_may_end_with_its_own_code() -> None:
    result = CliRunner().invoke(a_line(go=lambda: click.get_current_context().exit(1)), ["go"])
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["leaderbord"],
            'error: no command "leaderbord"; did you mean "leaderboard"? (uninas-bench --help lists',
        ),
        (["spaces", "--jsn"], "error: No such option"),
        (["architecture", "show"], "error: Missing argument"),
        (["scores", "export", "--format", "xml"], "error: Invalid value for '--format'"),
    ],
)
def test_wrong_usage_is_one_line_and_2(run: Run, arguments: list[str], message: str) -> None:
    result = run(*arguments, code=2)
    assert result.stderr.startswith(message)
    assert result.stderr.count("\n") == 1


def test_a_reader_that_goes_away_is_no_fault() -> None:
    command = f"{sys.executable} -m uninas_bench proxies --json | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout == "["
    assert "Traceback" not in done.stderr


def test_a_plugins_command(tmp_path: Path) -> None:
    """Installed as a distribution; its second command wants a taken name, which is reported."""
    (tmp_path / "greeting.py").write_text(
        "import click\n"
        "from uninas_bench import hookimpl\n"
        "@hookimpl\n"
        "def uninas_bench_commands(cli):\n"
        "    cli.add_command(click.Command('greet', callback=lambda: click.echo('hello')))\n"
        "    cli.add_command(click.Command('spaces', callback=lambda: click.echo('mine')))\n"
    )
    info = tmp_path / "greeting-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[uninas_bench]\ngreeting = greeting\n")

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        command = [sys.executable, "-m", "uninas_bench", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment)

    greeted = call("greet")
    assert greeted.stdout == "hello\n"
    assert (
        greeted.stderr
        == 'warning: plugin greeting: uninas_bench_commands: command "spaces" is already registered\n'
    )
    assert "greet" in call("--help").stdout
    assert "nasbench201" in call("spaces").stdout

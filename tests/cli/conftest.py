"""Run a command in this process, and see what it said and how it ended."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from uninas_bench.cli import main

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    """``run("spaces", "--json")`` -> its result, with ``stdout`` and ``stderr`` apart."""

    def run(*arguments: object, code: int = 0) -> Result:
        result = CliRunner().invoke(main, list(map(str, arguments)))
        assert result.exit_code == code, (
            f"{arguments}: exit {result.exit_code}\n{result.stdout}\n{result.stderr}"
        )
        return result

    return run

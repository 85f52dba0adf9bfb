"""The files of a new plugin's distribution: names checked, templates filled, written where nothing is."""

from __future__ import annotations

import datetime
import keyword
import os
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from uninas_bench.errors import UserError
from uninas_bench.version import __version__
from uninas_bench.whole_files import write_whole

License = Literal["MIT", "Apache-2.0", "BSD-3-Clause", "none"]
LICENSES: tuple[License, ...] = get_args(License)
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST = 40
TABLE = "nasbench201-mnist-hard"
SAMPLE = 60
"""Architectures of the table that a new baseline rests on: a check then takes seconds."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """What the templates are filled with.

    Attributes:
        name: of the proxy, of its function and of the plugin.
        author: who holds the copyright.
        license: an SPDX identifier, or ``none`` for no file.
    """

    name: str
    author: str
    license: License = "MIT"

    @property
    def distribution(self) -> str:
        """The name that pip knows it by."""
        return f"uninas-bench-{self.name.replace('_', '-')}"

    @property
    def module(self) -> str:
        """The name that Python knows it by."""
        return f"uninas_bench_{self.name}"

    @property
    def source(self) -> str:
        """Where the proxy is written."""
        return f"src/{self.module}/__init__.py"

    @property
    def baseline(self) -> str:
        """Where the baseline lies in the distribution."""
        return f"baselines/{self.name}.json"

    @property
    def record(self) -> str:
        """The command that records the baseline."""
        return (
            f"uninas-bench baseline record --ground-truth {TABLE} --proxies {self.name},params,flops "
            f"--sample {SAMPLE} --output {self.baseline}"
        )

    def files(self) -> dict[str, str]:
        """Text by path in the distribution; the baseline is not among them."""
        from jinja2 import Environment, PackageLoader, StrictUndefined

        # Other delimiters than usual: the workflow's own are ${{ }}.
        # No HTML is made here, and escaping would spoil Python.
        environment = Environment(  # noqa: S701
            loader=PackageLoader("uninas_bench.scaffold"), undefined=StrictUndefined, trim_blocks=True,
            block_start_string="[%", block_end_string="%]", variable_start_string="<<",
            variable_end_string=">>", keep_trailing_newline=True,
        )  # fmt: skip
        values = {
            "name": self.name,
            "title": "".join(part.capitalize() for part in self.name.split("_")),
            "distribution": self.distribution,
            "module": self.module,
            "author": self.author,
            "license": "" if self.license == "none" else self.license,
            "harness": __version__,
            "record": self.record,
            "year": _year(),
        }
        return {
            path: environment.get_template(template).render(values)
            for path, template in self._templates().items()
        }

    def _templates(self) -> Mapping[str, str]:
        templates = {
            "pyproject.toml": "pyproject.toml.jinja",
            self.source: "module.py.jinja",
            f"tests/test_{self.name}.py": "test_module.py.jinja",
            "tox.ini": "tox.ini.jinja",
            "README.md": "README.md.jinja",
            ".gitignore": "gitignore.jinja",
            ".github/workflows/tests.yml": "tests.yml.jinja",
        }
        if self.license != "none":
            templates["LICENSE"] = f"LICENSE-{self.license}.jinja"
        return templates


def check_name(name: str, taken: Collection[str]) -> None:
    """Refuse what is no name for a proxy, its function and its module.

    Args:
        name: that the author wants.
        taken: by installed proxies.

    Raises:
        UserError: in one line, with what is allowed.
    """
    if not _NAME.fullmatch(name):
        raise UserError(
            f'"{name}": expected small letters, digits and single underscores, a letter first: my_proxy'
        )
    if len(name) > _LONGEST:
        raise UserError(f'"{name}" has {len(name)} letters; expected at most {_LONGEST}')
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise UserError(f'"{name}" is a word of Python itself; a function cannot have that name')
    if name in taken:
        raise UserError(f'a proxy "{name}" is installed already; choose another name')


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds anything: nothing is overwritten.

    Raises:
        UserError: a file, or a folder that is not empty.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is a file; give a folder that is not there yet")
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder}: is not empty; nothing was written, give a folder that is not there yet")


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill beside ``folder``, which takes its place at the end; after an error there is neither.

    Raises:
        UserError: `check_folder`, or nothing can be written there.
    """
    check_folder(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as name:
            filled = Path(name) / folder.name
            filled.mkdir()
            yield filled
            # In place of an empty folder, which was allowed; never in place of one that was filled meanwhile.
            filled.replace(folder)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror or error}") from None


def write_distribution(distribution: Distribution, folder: Path) -> None:
    """Write every file but the baseline into ``folder``.

    Raises:
        UserError: it cannot be written.
    """
    for path, text in distribution.files().items():
        write_whole(folder / path, text.encode())


def _year() -> int:
    """This year, or that of SOURCE_DATE_EPOCH, which makes the files reproducible."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    now = datetime.datetime.now(datetime.UTC)
    return (datetime.datetime.fromtimestamp(int(epoch), datetime.UTC) if epoch else now).year

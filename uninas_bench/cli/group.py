"""The group behind `uninas-bench`: commands load on demand, mistakes become one line and an exit code."""

from __future__ import annotations

import errno
import importlib
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from uninas_bench.errors import UnknownName, UserError

WRONG_USE = 2
BUG = 70
INTERRUPTED = 130


class CommandLine(click.Group):
    """A click group whose commands are modules, or come from plugins.

    Exit codes: 0 done, 1 a regression was found, 2 the user's mistake (one line, no traceback), 70 a fault of
    this program (with its traceback), 130 interrupted.
    """

    def __init__(self, *args: Any, modules: Mapping[str, str] | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.modules = dict(modules or {})
        self._asked_plugins = False

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands of the harness and of every plugin."""
        self._ask_plugins()
        return sorted({*self.modules, *self.commands})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command; a name that the harness lacks is looked for in the plugins."""
        if cmd_name in self.modules:
            command: click.Command = importlib.import_module(self.modules[cmd_name]).command
            return command
        self._ask_plugins()
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, with the nearest name in the error."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise UnknownName("command", args[0], self.list_commands(ctx), "uninas-bench --help")
        return super().resolve_command(ctx, args)

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a plugin's command; the names of the harness's own are taken."""
        taken = name or cmd.name
        if taken in self.modules or taken in self.commands:
            raise UserError(f'command "{taken}" is already registered')
        super().add_command(cmd, name)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run and exit; see the class for the exit codes."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        with _warnings_on_stderr():
            try:
                code = super().main(
                    args, prog_name or "uninas-bench", complete_var, standalone_mode=False, **extra
                )
            except UserError as error:
                _stop(f"error: {error}", WRONG_USE)
            except click.ClickException as error:
                _stop(f"error: {_usage_message(error)}", WRONG_USE)
            except (click.Abort, KeyboardInterrupt):
                _stop(
                    "interrupted; everything finished is saved, the same command goes on from there",
                    INTERRUPTED,
                )
            except OSError as error:
                if error.errno != errno.EPIPE:
                    _fault()
                # Whoever read our output has gone; nothing may be flushed to it on the way out.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                sys.exit(1)
            except Exception:
                _fault()
        sys.exit(code if isinstance(code, int) else 0)

    def _ask_plugins(self) -> None:
        if not self._asked_plugins:
            self._asked_plugins = True
            from uninas_bench.host import default_host

            default_host().add_commands(self)


def _usage_message(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    return f"{message} ({context.command_path} --help)" if context is not None else message


def _stop(sentence: str, code: int) -> NoReturn:
    click.echo(sentence, err=True)
    sys.exit(code)


def _fault() -> NoReturn:
    traceback.print_exc()
    sys.exit(BUG)


class _Echo(logging.Handler):
    """Each distinct warning once, as one line on stderr."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.seen: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        line = f"{record.levelname.lower()}: {' '.join(record.getMessage().split())}"
        if line not in self.seen:
            self.seen.add(line)
            click.echo(line, err=True)


@contextmanager
def _warnings_on_stderr() -> Iterator[None]:
    logger = logging.getLogger("uninas_bench")
    handler = _Echo()
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates

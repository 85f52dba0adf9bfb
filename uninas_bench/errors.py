"""The errors a user can cause or meet: one line each, with what is wrong, where, and what is right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake that the user can mend; the command line prints it as one line and exits with 2."""


class UnknownName(UserError):
    """A name that is not registered; the message offers the nearest registered one."""

    def __init__(self, kind: str, name: str, known: Iterable[str], listing: str = "") -> None:
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=1)
        hint = f'; did you mean "{close[0]}"?' if close else ""
        where = f" ({listing} lists all {len(names)})" if listing else f" (known: {', '.join(names)})"
        super().__init__(f'no {kind} "{name}"{hint}{where}')


class InvalidArchitecture(UserError):
    """A text that is no architecture of the space; the message shows the position of the fault."""


class InvalidFile(UserError):
    """A file that cannot be read as what it is given for; the message names the file and the reason."""


class StoreError(UserError):
    """A score store that cannot be opened, or was written by a newer version of this package."""


class PluginError(UserError):
    """A plugin that could not be loaded or broke a hook's contract."""


class NotApplicable(Exception):
    """Raised by a proxy's ``evaluate`` where it has no meaning, e.g. no path from input to output.

    The cell is stored with the status ``not-applicable`` and this message; the run goes on.
    """

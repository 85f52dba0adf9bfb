"""Where the numbers of a page come from: command, versions, checksums."""

from __future__ import annotations

import datetime
import os
from typing import TYPE_CHECKING

from uninas_bench.errors import UserError
from uninas_bench.report.page.model import Fact
from uninas_bench.report.plots.evidence import Evidence, TableEvidence
from uninas_bench.report.sentences import versions_line

if TYPE_CHECKING:
    from uninas_bench.host import Host


def provenance_of(evidence: Evidence, host: Host, command: str) -> tuple[Fact, ...]:
    """What another needs to make the same page."""
    from uninas_bench.provenance import provenance

    made = provenance(host, command=command, device="cpu", workers=1)
    facts = [Fact("command", command, code=True)]
    if made.commit:
        facts.append(Fact("commit", made.commit, code=True))
    facts.append(Fact("plugins", ", ".join(made.plugins) or "none"))
    for table in evidence.tables:
        facts += _table(table)
    facts.append(Fact("versions", versions_line(evidence.tables[0].board)))
    facts += _settings(evidence)
    return tuple(facts)


def moment() -> datetime.datetime:
    """Now, or what SOURCE_DATE_EPOCH says, as reproducible builds have it.

    Raises:
        UserError: the variable is not a number of seconds.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if text is None:
        return datetime.datetime.now(datetime.UTC)
    try:
        return datetime.datetime.fromtimestamp(int(text), datetime.UTC)
    except (ValueError, OverflowError, OSError):
        raise UserError(f"SOURCE_DATE_EPOCH={text}: expected seconds since 1970-01-01") from None


def _table(table: TableEvidence) -> list[Fact]:
    from uninas_bench.ground_truth.files import content_sha256

    info = table.found.table.info
    attrs = table.board.attrs
    scores = f"{attrs['cells']:,} scores, {attrs['packed']:,} of them came with the package"
    return [
        Fact(f"accuracies {info.name}", f"{info.protocol}; from: {info.source}"),
        Fact(f"sha256 of {info.name}", content_sha256(table.found.table), code=True),
        Fact(f"scores on {info.name}", f"{scores}; seed {attrs['seed']}"),
    ]


def _settings(evidence: Evidence) -> list[Fact]:
    """Of every proxy, where they are the same in all tables as in the first that has it."""
    found: dict[str, str] = {}
    for table in evidence.tables:
        for row in table.found.rows:
            if row.settings:
                found.setdefault(f"settings of {row.proxy} {row.version}", row.settings)
    return [Fact(name, text) for name, text in found.items()]

"""What a recomputation gives: cell by cell the printed number, ours, and whether they agree."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from uninas_bench.errors import UserError
from uninas_bench.reproduce.printed import Printed

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
"""Of the JSON form."""


class Verdict(StrEnum):
    """What a cell comes to.

    ``inside``: the interval of what was recomputed meets what the printed number, rounded as it is, can stand
    for; of a number without chance, that it would be printed so. ``outside``: it does not. ``undecided``: of
    a claim such as "> 0", that the interval holds numbers on either side. ``not comparable``: recomputed
    under other conditions, which the reason names. ``not computable``: it would need what the reason names.
    ``not run``: it takes long and was not named, or it did not fit into the budget.
    """

    INSIDE = "inside"
    OUTSIDE = "outside"
    UNDECIDED = "undecided"
    INCOMPARABLE = "not comparable"
    IMPOSSIBLE = "not computable"
    LEFT_OUT = "not run"


@dataclass(frozen=True, slots=True)
class Measured:
    """A recomputed number.

    Attributes:
        value: the number; NaN where ``text`` says it all.
        low, high: its 95% interval; NaN where there is none.
        n: architectures that it rests on; None where it rests on one.
        exact: it has no chance in it: architectures, data and settings are those of the printed number, so
            that the two must agree to the last printed digit.
        agrees: what a comparison found that is not one of numbers; None where value and interval decide.
        incomparable: why it cannot be held against the printed number; empty where it can.
        note: what a reader must know of this cell.
        text: how it is shown, where a number is not what came out.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    n: int | None = None
    exact: bool = False
    agrees: bool | None = None
    incomparable: str = ""
    note: str = ""
    text: str = ""

    def verdict(self, printed: Printed | None) -> Verdict:
        """How it stands to what was printed; None where nothing was, or no number."""
        if self.incomparable:
            return Verdict.INCOMPARABLE
        if self.agrees is not None:
            return Verdict.INSIDE if self.agrees else Verdict.OUTSIDE
        if printed is None:
            return Verdict.INCOMPARABLE
        bounded = not (math.isnan(self.low) or math.isnan(self.high))
        if math.isinf(printed.low) or math.isinf(printed.high):
            ends = (self.low, self.high) if bounded else (self.value, self.value)
            held = [printed.low < end < printed.high for end in ends]
            return Verdict.INSIDE if all(held) else Verdict.UNDECIDED if any(held) else Verdict.OUTSIDE
        if self.exact or not bounded:
            return Verdict.INSIDE if printed.holds(self.value) else Verdict.OUTSIDE
        return Verdict.INSIDE if printed.meets(self.low, self.high) else Verdict.OUTSIDE


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table, recomputed or not.

    Attributes:
        row, column: their names.
        published: the text that is printed.
        value: its number; NaN where it is none.
        rounding: half of its last digit, 0 where it is no number or one end is open.
        uncertain: why the printed number itself may be wrong; empty where it was read from the table.
        measured: what came out here; None where nothing did.
        verdict: of the two.
        reason: what it would need, why it cannot be compared, or what else to know.
    """

    row: str
    column: str
    published: str
    value: float
    rounding: float
    uncertain: str
    measured: Measured | None
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ColumnHead:
    """A column of the printed table: ``kind`` and ``unit`` as in `published.Column`."""

    key: str
    group: str
    title: str
    kind: str
    unit: str


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A published table beside what this machine makes of it.

    Attributes:
        table: its key, such as ``vkdnw-1``.
        paper, citation, printed, caption: where it stands and what it says.
        kind, version: of the recipe.
        rows: what a row is: proxy, model, method.
        columns: in the printed order.
        cells: row by row, those that were asked for; a place where the paper prints nothing has none.
        facts: sentences on what the numbers rest on: ground truth, sample, seeds, images.
        about: the same for programs: n, seed, sample, seconds, versions, command.
    """

    table: str
    paper: str
    citation: str
    printed: str
    caption: str
    kind: str
    version: int
    rows: str
    columns: tuple[ColumnHead, ...]
    cells: tuple[Cell, ...]
    facts: tuple[str, ...]
    about: Mapping[str, Any] = field(default_factory=dict)

    def counts(self) -> dict[Verdict, int]:
        """How many cells have each verdict, in the order of `Verdict`; those that occur."""
        found = Counter(cell.verdict for cell in self.cells)
        return {verdict: found[verdict] for verdict in Verdict if found[verdict]}

    def frame(self) -> pd.DataFrame:
        """One row per cell.

        Columns: ``table, row, column, group, title, kind, unit, published, published_value, rounding,
        uncertain, recomputed, low, high, n, verdict, reason``; ``attrs`` has the rest.
        """
        import pandas as pd

        heads = {head.key: head for head in self.columns}
        frame = pd.DataFrame([self._row(cell, heads[cell.column]) for cell in self.cells])
        frame.attrs = {
            name: value for name, value in self.as_dict().items() if name not in {"cells", "columns"}
        }
        return frame

    def as_dict(self) -> dict[str, Any]:
        """What `read_reproduction` reads back; NaN is not yet JSON's null."""
        return {"format": FORMAT, **asdict(self)}

    def _row(self, cell: Cell, head: ColumnHead) -> dict[str, Any]:
        measured = cell.measured
        return {
            "table": self.table,
            "row": cell.row,
            "column": cell.column,
            "group": head.group,
            "title": head.title,
            "kind": head.kind,
            "unit": head.unit,
            "published": cell.published,
            "published_value": cell.value,
            "rounding": cell.rounding,
            "uncertain": cell.uncertain,
            "recomputed": math.nan if measured is None else measured.value,
            "low": math.nan if measured is None else measured.low,
            "high": math.nan if measured is None else measured.high,
            "n": None if measured is None else measured.n,
            "verdict": str(cell.verdict),
            "reason": cell.reason,
        }


def read_reproduction(content: Any, where: str = "reproduction") -> Reproduction:
    """What `Reproduction.as_dict`, or the JSON form of it, says.

    Raises:
        UserError: it is none, or of a newer format.
    """
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(
            f"{where}: no reproduction of format {FORMAT}; uninas-bench reproduce run --format json"
        )
    fields = {name: value for name, value in content.items() if name != "format"}
    try:
        fields["columns"] = tuple(ColumnHead(**head) for head in fields["columns"])
        fields["cells"] = tuple(_cell(cell) for cell in fields["cells"])
        fields["facts"] = tuple(fields["facts"])
        return Reproduction(**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{where}: no reproduction: {error}") from None


def _cell(entry: Mapping[str, Any]) -> Cell:
    number = _numbers(entry, "value", "rounding")
    measured = entry["measured"]
    if measured is not None:
        measured = Measured(**{**measured, **_numbers(measured, "value", "low", "high")})
    return Cell(**{**entry, **number, "measured": measured, "verdict": Verdict(entry["verdict"])})


def _numbers(entry: Mapping[str, Any], *names: str) -> dict[str, float]:
    return {name: math.nan if entry[name] is None else float(entry[name]) for name in names}

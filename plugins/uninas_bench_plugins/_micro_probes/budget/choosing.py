"""From what was measured at anchors to data and epochs for a budget: a fit and its maximum, or an anchor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from uninas_bench import UserError
from uninas_bench_plugins._micro_probes.budget.optimum import (
    Box,
    Optimum,
    check_budget,
    maximise,
    maximise_whole,
)
from uninas_bench_plugins._micro_probes.budget.spending import AdditiveCost, Calibration, Kind, calibrate
from uninas_bench_plugins._micro_probes.budget.surface import Fit, fit_surface


@dataclass(frozen=True, slots=True)
class Anchor:
    """One measurement.

    Attributes:
        data: D.
        epochs: E.
        seed: of the run.
        response: how good it was; None where it is not defined.
        seconds: per architecture, the mean.
    """

    data: int
    epochs: int
    seed: int
    response: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Response:
    """What is known of a search space: enough to choose for any budget.

    Attributes:
        anchors: what was measured.
        box: extent of the anchors.
        batch: examples per batch.
        fit: the surface through the responses.
        calibration: of the cost, on the seconds.
    """

    anchors: tuple[Anchor, ...]
    box: Box
    batch: int
    fit: Fit
    calibration: Calibration


@dataclass(frozen=True, slots=True)
class Chosen:
    """Data and epochs for a budget.

    Attributes:
        budget: seconds per architecture.
        data: to be used, a multiple of the batch.
        epochs: to be used.
        response: expected, by the surface; of an anchor, what was measured.
        seconds: expected, by the calibrated cost.
        optimum: the surface's maximum before rounding.
        distrust: why the surface was not followed and the best anchor taken; empty where it was.
        remarks: sentences on the fit that whoever reads the choice should know.
    """

    budget: float
    data: int
    epochs: int
    response: float
    seconds: float
    optimum: Optimum
    distrust: str
    remarks: tuple[str, ...]


def respond(
    anchors: Sequence[Anchor], *, cost: Kind, batch: int, log: bool = False, extent: Box | None = None
) -> Response:
    """Fit surface and cost to measurements.

    Args:
        anchors: at least six different ones with a response.
        cost: the model.
        batch: examples per batch.
        log: fit the surface in logarithms.
        extent: default that of the anchors.

    Raises:
        UserError: the anchors do not determine a surface or a cost.
    """
    known = [anchor for anchor in anchors if anchor.response is not None]
    if not known:
        raise UserError("no anchor ranked anything: all its scores are missing or equal")
    data, epochs = [anchor.data for anchor in anchors], [anchor.epochs for anchor in anchors]
    return Response(
        tuple(anchors),
        extent or Box(min(data), max(data), min(epochs), max(epochs)),
        batch,
        fit_surface(
            [anchor.data for anchor in known],
            [anchor.epochs for anchor in known],
            [anchor.response for anchor in known if anchor.response is not None],
            log=log,
        ),
        calibrate(cost, data, epochs, [anchor.seconds for anchor in anchors]),
    )


def choose(response: Response, budget: float) -> Chosen:
    """The best data and epochs that the budget pays for.

    Where the surface is not to be believed (`Fit.distrust`), the best of the anchors that can be paid for.

    Args:
        response: of the space.
        budget: seconds per architecture.

    Raises:
        UserError: the budget pays for nothing; the message has the smallest that does.
    """
    cost, fit = response.calibration.cost, response.fit
    check_budget(cost, budget, response.box)
    optimum = maximise(fit.surface, cost, budget, response.box)
    if fit.distrust:
        data, epochs, value = _best_anchor(response, budget)
    else:
        whole = maximise_whole(fit.surface, cost, budget, response.box, response.batch)
        data, epochs, value = whole.data, whole.epochs, whole.value
    return Chosen(
        budget, data, epochs, value, float(cost.seconds(data, epochs)), optimum, fit.distrust,
        tuple(_remarks(response)),
    )  # fmt: skip


def _best_anchor(response: Response, budget: float) -> tuple[int, int, float]:
    """The anchor of the highest mean response that can be paid for."""
    cost = response.calibration.cost
    by_place: dict[tuple[int, int], list[float]] = {}
    for anchor in response.anchors:
        if anchor.response is not None and float(cost.seconds(anchor.data, anchor.epochs)) <= budget:
            by_place.setdefault((anchor.data, anchor.epochs), []).append(anchor.response)
    if not by_place:
        least = min(float(cost.seconds(anchor.data, anchor.epochs)) for anchor in response.anchors)
        raise UserError(f"budget {budget:.4g} s: pays for no anchor; expected at least {least:.4g} s")
    means = {place: sum(values) / len(values) for place, values in by_place.items()}
    data, epochs = max(means, key=lambda place: means[place])
    return data, epochs, means[data, epochs]


def _remarks(response: Response) -> list[str]:
    found = []
    if not response.fit.surface.concave and not response.fit.distrust:
        found.append(
            "the surface has no maximum of its own: the best lies on the edge of the anchors or of the budget"
        )
    missing = sum(anchor.response is None for anchor in response.anchors)
    if missing:
        found.append(f"{missing} of {len(response.anchors)} anchors have no response")
    if isinstance(response.calibration.cost, AdditiveCost) and response.calibration.error > 0.25:
        found.append(
            f"the additive cost is off by {response.calibration.error:.0%} on average: a training whose "
            "epochs see all data costs their product"
        )
    return found

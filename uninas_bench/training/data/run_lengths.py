"""Masks as COCO writes them: polygons, or the lengths of runs down the columns."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

from uninas_bench.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def require_pycocotools() -> None:
    """Say how to get what reads and measures COCO's masks.

    Raises:
        UserError: pycocotools is not installed.
    """
    try:
        import pycocotools.mask  # noqa: F401
    except ImportError:
        raise UserError(
            "detection needs pycocotools, which is not installed: pip install 'uninas-bench[detection]'"
        ) from None


@contextmanager
def quiet() -> Iterator[None]:
    """Without what pycocotools prints, and without numpy's warning about how it hands arrays over."""
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.filterwarnings("ignore", message="__array__ implementation", category=DeprecationWarning)
        yield


def encode(masks: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Run lengths of masks (N, H, W), as JSON can hold them: ``size`` (H, W) and ``counts``, a text."""
    from pycocotools import mask as library

    if not len(masks):
        return []
    columns_first = np.asfortranarray(masks.transpose(1, 2, 0), dtype=np.uint8)
    return [
        {"size": [int(side) for side in each["size"]], "counts": each["counts"].decode("ascii")}
        for each in library.encode(columns_first)
    ]


def decode(segmentation: Any, size: tuple[int, int]) -> NDArray[np.bool_] | None:
    """The mask (H, W) of an annotation's ``segmentation``; None where no polygon has three corners.

    Raises:
        ValueError: it is no list of polygons and no run lengths of an image of this ``size``.
    """
    from pycocotools import mask as library

    height, width = size
    if isinstance(segmentation, Sequence) and not isinstance(segmentation, str):
        if not all(isinstance(polygon, Sequence) for polygon in segmentation):
            raise ValueError("polygons expected")
        corners = [np.asarray(polygon, dtype=np.float64) for polygon in segmentation]
        # The library walks along every edge pixel by pixel, however long it is.
        if not all((np.abs(polygon) <= 10 * max(size)).all() for polygon in corners):
            raise ValueError("polygons inside the image expected")
        polygons = [polygon.tolist() for polygon in corners if len(polygon) >= 6 and len(polygon) % 2 == 0]
        if not polygons:
            return None
        return _pixels(library.merge(library.frPyObjects(polygons, height, width)))
    if not isinstance(segmentation, dict) or list(segmentation.get("size", ())) != [height, width]:
        raise ValueError(f"polygons or run lengths of {height} x {width} pixels expected")
    counts = segmentation.get("counts")
    if isinstance(counts, list):
        if (
            not all(isinstance(count, int) and count >= 0 for count in counts)
            or sum(counts) != height * width
        ):
            raise ValueError(f"run lengths that sum up to {height} x {width} expected")
        segmentation = library.frPyObjects(segmentation, height, width)
    elif not isinstance(counts, str):
        raise ValueError("run lengths without counts")
    return _pixels(segmentation)


def _pixels(lengths: Any) -> NDArray[np.bool_]:
    from pycocotools import mask as library

    with quiet():
        return np.asarray(library.decode(lengths), dtype=np.bool_)

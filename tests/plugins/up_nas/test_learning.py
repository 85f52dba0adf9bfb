"""What `learn` keeps in its folder is used again for the very same scores only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import uninas_bench as ub
from uninas_bench_plugins._up_nas.settings import UpNasSettings
from uninas_bench_plugins._up_nas.tables import learn

CELLS = ub.space("nasbench201")
SETTINGS = UpNasSettings(epochs=2, autoencoder_epochs=1, autoencoder_architectures=80)


def test_other_scores_in_the_same_folder_are_learned_anew(tmp_path: Path) -> None:
    encodings = [found.encoding for found in CELLS.sample(60, np.random.default_rng(0))]
    first = pd.DataFrame(np.random.default_rng(1).normal(size=(60, 2)), encodings, ["nwot", "snip"])
    other = first.sample(frac=1, random_state=2).set_axis(encodings)
    kept = learn(CELLS, first, SETTINGS, tmp_path / "kept")
    anew = learn(CELLS, other, SETTINGS, tmp_path / "other")
    pd.testing.assert_frame_equal(
        learn(CELLS, other, SETTINGS, tmp_path / "kept").predictions, anew.predictions
    )
    assert not np.allclose(kept.predictions, anew.predictions)
    pd.testing.assert_frame_equal(
        learn(CELLS, first, SETTINGS, tmp_path / "kept").predictions, kept.predictions
    )


def test_so_are_the_same_scores_with_other_settings(tmp_path: Path) -> None:
    encodings = [found.encoding for found in CELLS.sample(60, np.random.default_rng(0))]
    scores = pd.DataFrame(np.random.default_rng(1).normal(size=(60, 2)), encodings, ["nwot", "snip"])
    slow = learn(CELLS, scores, SETTINGS, tmp_path)
    fast = learn(CELLS, scores, replace(SETTINGS, lr=0.1), tmp_path)
    assert not np.allclose(slow.predictions, fast.predictions)

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau, pearsonr, spearmanr

import uninas_bench as ub
from uninas_bench_plugins.path_ratings import PathRatings, path_losses, read_ratings

SMALL = "stage,ops,loss\n0,0,-1\n0,1,-2\n0,10,-3\n0,11,-4\n1,0,-0.5\n1,1,-0.25\n"


def written(folder: Path, text: str, name: str = "ratings.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_zeros_that_a_spreadsheet_cut_off_are_put_back(tmp_path: Path) -> None:
    blocks = read_ratings(written(tmp_path, SMALL))
    assert [sorted(block) for block in blocks] == [["00", "01", "10", "11"], ["0", "1"]]
    assert path_losses(blocks, "101") == [-3, -0.25]


def test_the_authors_yaml_is_read_without_running_anything(tmp_path: Path) -> None:
    folder = tmp_path / "ranks"
    folder.mkdir()
    written(folder, "- !!python/tuple\n  - '00'\n  - -1.5\n- !!python/tuple ['01', -2.5]\n", "block0.yml")
    written(folder, "- !!python/tuple ['7', -3.5]\n", "block1.yml")
    assert read_ratings(folder) == ({"00": -1.5, "01": -2.5}, {"7": -3.5})
    written(folder, "- !!python/object/apply:os.system ['true']\n", "block2.yml")
    read_ratings.cache_clear()
    with pytest.raises(ub.UserError, match=r"block2.yml: cannot be read: could not determine a constructor"):
        read_ratings(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "expected the columns stage, ops, loss"),
        ("stage,ops,loss\n0,0,x\n", "line 2: expected an integer, a path and a number"),
        ("stage,ops,loss\n0,a1,1\n", 'line 2: path "a1": expected one digit per layer'),
        ("stage,ops,loss\n1,0,1\n", "stages 1: expected 0, 1, 2"),
        ("stage,ops,loss\n", "expected 0, 1, 2"),
    ],
)
def test_malformed_files_are_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ub.UserError) as caught:
        read_ratings(written(tmp_path, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_architecture_without_a_rating_is_a_failed_cell(tmp_path: Path) -> None:
    rows = [f"{stage},{ops},-1" for stage, layers in enumerate((2, 2, 1)) for ops in range(0, 8**layers, 9)]
    path = written(tmp_path, "\n".join(["stage,ops,loss", *rows, "0,11,-2", "1,11,-2", "2,1,-2"]))
    proxy = PathRatings().with_settings(file=str(path))
    frame = ub.score(["8:8:8:8:8", "16:16:16:16:16", "24:8:8:8:8"], [proxy], space="nats_size")
    found = frame.set_index("architecture")
    assert found.loc["8:8:8:8:8", "value"] == 3
    assert found.loc["16:16:16:16:16", "value"] == 6
    assert found.loc["24:8:8:8:8", "message"] == "block 0: path 20 has no rating"


def test_another_content_is_another_setting(tmp_path: Path) -> None:
    path = written(tmp_path, SMALL)
    before = str(PathRatings().with_settings(file=str(path)).settings)
    written(tmp_path, SMALL.replace("-4", "-5"))
    assert str(PathRatings().with_settings(file=str(path)).settings) != before
    with pytest.raises(ub.UserError, match="no such file"):
        PathRatings().with_settings(file=str(tmp_path / "nothing.csv"))
    with pytest.raises(ub.UserError, match="path_ratings needs a file"):
        ub.score(["0"], ["path_ratings"], space="nats_size")


# Li et al., BossNAS, Table 3 (MBConv: .65, .78, .85) and the code's page (size space: .53, .73, .72).
@pytest.mark.data
def test_published_correlations_follow_from_the_published_ratings(real_data: Path) -> None:
    blocks = read_ratings(real_data / "bossnas" / "nats_size_path_ratings.csv")
    with gzip.open(real_data / "ground_truth" / "nats_size.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    digits = ["".join(str(int(w) // 8 - 1) for w in row["arch_str"].split(":")) for row in rows]
    accuracies = np.array([float(row["cifar10_test_acc_90ep"]) for row in rows])
    check(blocks, digits, accuracies, (0.53, 0.73, 0.72))

    blocks = read_ratings(real_data / "bossnas" / "mbconv_path_ratings.csv")
    with (real_data / "ground_truth" / "mbconv23.csv").open() as text:
        rows = list(csv.DictReader(text))
    lengths = (2, 4, 4, 4, 4)
    digits = ["".join(row[f"stage{k}_ops"].zfill(n) for k, n in enumerate(lengths)) for row in rows]
    accuracies = np.array([float(row["imagenet_top1"]) for row in rows])
    check(blocks, digits, accuracies, (0.65, 0.78, 0.85))


def check(blocks, digits: list[str], accuracies: np.ndarray, published: tuple[float, ...]) -> None:  # type: ignore[no-untyped-def,type-arg]
    scores = np.array([-round(sum(path_losses(blocks, text)), 4) for text in digits])
    found = [test(scores, accuracies)[0] for test in (kendalltau, spearmanr, pearsonr)]
    assert [round(value, 2) for value in found] == list(published)

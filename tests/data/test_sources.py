"""Image sources: shapes, statistics, splits, and one clear line for every malformed input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from uninas_bench.data.arrays import NpzSource, shrink
from uninas_bench.data.catalogue import find_images, source_of_path
from uninas_bench.data.digits import Digits
from uninas_bench.data.folder import FolderSource
from uninas_bench.data.mnist_hard import MnistHard
from uninas_bench.errors import InvalidFile, UserError


def write_npz(path: Path, n: int = 12, size: int = 8) -> Path:
    rng = np.random.default_rng(0)
    arrays = {
        f"{split}_{kind}": value
        for split in ("train", "test")
        for kind, value in (
            ("x", rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8)),
            ("y", rng.integers(0, 3, n)),
        )
    }
    np.savez(path, **arrays)
    return path


def test_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    train, test = Digits().load("train", 8), Digits().load("test", 8)
    assert len(train) + len(test) == 1797
    labels = np.concatenate([train.labels, test.labels])
    np.testing.assert_array_equal(np.bincount(labels), np.bincount(load_digits().target))
    assert Digits().load("train", 16).pixels.shape == (1500, 3, 16, 16)
    with pytest.raises(UserError, match="multiple of 8"):
        Digits().load("train", 12)


@pytest.mark.parametrize("source", [Digits(), MnistHard()], ids=["digits", "mnist-hard"])
def test_batches_are_normalised(source: Digits | MnistHard) -> None:
    images = source.load("train", 16)
    pixels, labels = images.batch(slice(None))
    assert pixels.shape == (len(images), 3, 16, 16)
    assert pixels.dtype.is_floating_point
    assert labels.shape == (len(images),)
    np.testing.assert_allclose(pixels.mean((0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(pixels.std((0, 2, 3)), 1, atol=1e-3)


def test_mnist_hard_renders_every_digit_anew_and_keeps_the_splits_apart() -> None:
    train, test = MnistHard().load("train", 16), MnistHard().load("test", 16)
    assert (len(train), len(test)) == (16_000, 2_000)
    digits = len(train) // 4
    np.testing.assert_array_equal(train.labels[:digits], train.labels[digits : 2 * digits])
    assert not np.array_equal(train.pixels[0], train.pixels[digits])
    counts = np.bincount(train.labels[:digits]) + np.bincount(test.labels[: len(test) // 2])
    np.testing.assert_array_equal(counts, 500)
    with pytest.raises(UserError, match=r"8\.\.64"):
        MnistHard().load("train", 100)


def test_mnist_hard_at_twice_the_resolution_shows_the_same_images() -> None:
    small, large = MnistHard().load("test", 16), MnistHard().load("test", 32)
    averaged = large.pixels.astype(float).reshape(len(large), 3, 16, 2, 16, 2).mean((3, 5))
    flat = [(a.ravel(), b.ravel()) for a, b in zip(small.pixels[:20, 0], averaged[:20, 0], strict=True)]
    assert min(np.corrcoef(a, b)[0, 1] for a, b in flat) > 0.9


def test_npz_round_trip_and_shrinking(tmp_path: Path) -> None:
    source = NpzSource("cifar10", write_npz(tmp_path / "a.npz"))
    full, half = source.load("train", 8), source.load("train", 4)
    with np.load(source.path) as arrays:
        np.testing.assert_array_equal(full.pixels, arrays["train_x"].transpose(0, 3, 1, 2))
        np.testing.assert_array_equal(full.labels, arrays["train_y"])
    naive = full.pixels[0, 1, 2:4, 4:6].astype(float).mean()
    assert abs(half.pixels[0, 1, 1, 2] - naive) <= 0.5
    assert source.fingerprint != NpzSource("cifar10", write_npz(tmp_path / "b.npz", n=13)).fingerprint


def test_shrink_refuses_what_does_not_divide() -> None:
    with pytest.raises(UserError, match="cannot be brought to 5"):
        shrink(np.zeros((1, 8, 8, 3), dtype=np.uint8), 5, "here")


def test_npz_without_an_array_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, train_x=np.zeros((2, 8, 8, 3), dtype=np.uint8))
    with pytest.raises(InvalidFile, match='no array "train_y"'):
        NpzSource("cifar10", path).load("train", 8)


def test_npz_never_unpickles(tmp_path: Path) -> None:
    path = tmp_path / "object.npz"
    np.savez(path, train_x=np.array([{}], dtype=object), train_y=np.zeros(1, dtype=int))
    with pytest.raises(InvalidFile, match="allow_pickle"):
        NpzSource("cifar10", path).load("train", 8)


def test_truncated_npz_is_refused(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "cut.npz")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InvalidFile, match="not a readable"):
        NpzSource("cifar10", path).load("train", 8)


def test_folder_of_images(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for name, grey in (("cat", 10), ("dog", 200)):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            Image.new("RGB", (20, 30), (grey, grey, grey)).save(folder / "one.png")
    source = source_of_path("cifar10", tmp_path)
    assert isinstance(source, FolderSource)
    train = source.load("train", 8)
    assert train.pixels.shape == (2, 3, 8, 8)
    assert train.pixels[train.labels == 1].mean() == 200
    assert len(source.load("test", 8)) == 2


def test_corrupt_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "train" / "cat").mkdir(parents=True)
    (tmp_path / "train" / "cat" / "bad.png").write_bytes(b"no image")
    with pytest.raises(InvalidFile, match=r"bad\.png"):
        FolderSource("cifar10", tmp_path).load("train", 8)


def test_own_images_come_before_registered_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digits = Digits()
    monkeypatch.setenv("UNINAS_BENCH_DATA", str(tmp_path))
    assert find_images("digits", {"digits": digits}) is digits
    write_npz(tmp_path / "digits.npz")
    found = find_images("digits", {"digits": digits})
    assert isinstance(found, NpzSource)
    assert find_images("digits", {"digits": digits}, {"digits": digits}) is digits
    assert find_images("cifar100", {}) is None
    with pytest.raises(InvalidFile, match="no such file"):
        find_images("cifar10", {}, {"cifar10": tmp_path / "missing.npz"})


def test_torchvision_folder_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    source = source_of_path("cifar10", tmp_path)
    with pytest.raises(InvalidFile, match="torchvision cannot read CIFAR10"):
        source.load("train", 32)

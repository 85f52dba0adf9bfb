"""MNIST's idx files: read back, at every resolution that can be made, and one line for damaged ones."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from uninas_bench.data import catalogue
from uninas_bench.data.arrays import image_set, shrink, square_images
from uninas_bench.data.catalogue import find_images, source_of_path
from uninas_bench.data.idx import PACKAGED, IdxSource
from uninas_bench.errors import InvalidFile, UserError

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    """The format as yann.lecun.com described it: two zeros, type, dimensions, sizes, data."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, kind, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def write_idx(root: Path, train: int = 12, test: int = 5, *, packed: bool = True) -> Path:
    rng = np.random.default_rng(0)
    for prefix, count in (("train", train), ("t10k", test)):
        arrays = {
            "images-idx3-ubyte": rng.integers(0, 256, (count, 28, 28)),
            "labels-idx1-ubyte": rng.integers(0, 10, count),
        }
        for kind, array in arrays.items():
            content = idx(array)
            if packed:
                (root / f"{prefix}-{kind}.gz").write_bytes(gzip.compress(content))
            else:
                (root / f"{prefix}-{kind}").write_bytes(content)
    return root


@pytest.mark.parametrize("packed", [True, False])
def test_what_was_written_is_read(tmp_path: Path, packed: bool) -> None:
    source = source_of_path("fashion-mnist", write_idx(tmp_path, packed=packed))
    assert isinstance(source, IdxSource)
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (12, 28, 28)), rng.integers(0, 10, 12)
    train = source.load("train", 28)
    assert train.pixels.shape == (12, 3, 28, 28)
    for channel in range(3):
        np.testing.assert_array_equal(train.pixels[:, channel], pixels)
    np.testing.assert_array_equal(train.labels, labels)
    assert len(source.load("test", 28)) == 5


def test_resolutions(tmp_path: Path) -> None:
    source = IdxSource("fashion-mnist", write_idx(tmp_path))
    native = source.load("train", 28).pixels
    padded = source.load("train", 32).pixels
    np.testing.assert_array_equal(padded[..., 2:30, 2:30], native)
    assert padded.sum(dtype=int) == native.sum(dtype=int)
    means = native.astype(float).reshape(12, 3, 14, 2, 14, 2).mean((3, 5))
    assert np.abs(source.load("train", 14).pixels - means).max() <= 0.5
    means = padded.astype(float).reshape(12, 3, 16, 2, 16, 2).mean((3, 5))
    assert np.abs(source.load("train", 16).pixels - means).max() <= 0.5
    with pytest.raises(UserError, match="cannot be brought to 30"):
        source.load("train", 30)


def test_statistics_are_those_of_the_pixels(tmp_path: Path) -> None:
    train = IdxSource("fashion-mnist", write_idx(tmp_path)).load("train", 32)
    np.testing.assert_allclose(train.mean, train.pixels.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(train.std, train.pixels.std((0, 2, 3)), rtol=1e-12)


def test_coloured_images_are_not_padded() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    ours, plain = (
        square_images(pixels, np.arange(4), 16, "here"),
        image_set(shrink(pixels, 16, ""), np.arange(4)),
    )
    np.testing.assert_array_equal(ours.pixels, plain.pixels)
    assert (ours.mean, ours.std) == (plain.mean, plain.std)


def test_the_fingerprint_is_of_all_four_files(tmp_path: Path) -> None:
    seen = set()
    for number in range(5):
        folder = tmp_path / str(number)
        folder.mkdir()
        files = sorted(write_idx(folder, packed=False).iterdir())
        assert len(files) == 4
        if number:
            path = files[number - 1]
            content = bytearray(path.read_bytes())
            content[-1] ^= 1
            path.write_bytes(content)
        seen.add(source_of_path("fashion-mnist", folder).fingerprint)
    assert len(seen) == 5


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (write_idx(tmp_path) / TRAIN_LABELS).unlink()
    source = source_of_path("fashion-mnist", tmp_path)
    with pytest.raises(InvalidFile, match=r"no train-labels-idx1-ubyte\.gz"):
        source.load("train", 28)
    with pytest.raises(InvalidFile, match=r"no train-labels-idx1-ubyte\.gz"):
        _ = source.fingerprint
    assert len(source.load("test", 28)) == 5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no gzip", "cannot be read: Not a gzipped file"),
        (gzip.compress(idx(np.zeros((12, 28, 28))))[:-20], "cannot be read: .*end-of-stream"),
        (
            gzip.compress(idx(np.zeros((12, 28, 28)))[:-1]),
            r"9407 bytes of data, expected 9408 for \(12, 28, 28\)",
        ),
        (gzip.compress(idx(np.zeros((12, 28, 28))) + b"\0"), "9409 bytes of data, expected 9408"),
        (
            gzip.compress(idx(np.zeros((12, 28, 28)), kind=13)),
            "not an idx file of unsigned bytes in 3 dimensions",
        ),
        (gzip.compress(idx(np.zeros(12))), "not an idx file of unsigned bytes in 3 dimensions"),
        (gzip.compress(b""), "not an idx file"),
        (
            gzip.compress(bytes([0, 0, 8, 3]) + b"\xff" * 12),
            "0 bytes of data, expected 79228162458924105385300197375",
        ),
        (gzip.compress(idx(np.zeros((11, 28, 28)))), "11 images, but 12 labels beside them"),
        (gzip.compress(idx(np.zeros((12, 28, 30)))), "images of 28x30 cannot be brought to 28"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    (write_idx(tmp_path) / TRAIN_IMAGES).write_bytes(content)
    with pytest.raises(UserError, match=message) as raised:
        IdxSource("fashion-mnist", tmp_path).load("train", 28)
    assert TRAIN_IMAGES in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_broken_stream_is_one_line(tmp_path: Path) -> None:
    path = write_idx(tmp_path) / TRAIN_IMAGES
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = b"\xff" * (len(content) - len(content) // 2)
    path.write_bytes(content)
    with pytest.raises(InvalidFile, match=rf"{TRAIN_IMAGES}: cannot be read"):
        IdxSource("fashion-mnist", tmp_path).load("train", 28)


def test_the_place_of_the_package_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packaged, own = tmp_path / "packaged", tmp_path / "own"
    packaged.mkdir()
    own.mkdir()
    monkeypatch.setenv("UNINAS_BENCH_DATA", str(tmp_path / "nothing"))
    monkeypatch.setattr(catalogue, "PACKAGED", {"fashion-mnist": packaged})
    assert find_images("fashion-mnist", {}) is None
    write_idx(packaged)
    assert find_images("fashion-mnist", {}) == IdxSource("fashion-mnist", packaged)
    assert find_images("cifar10", {}) is None
    write_idx(own, train=13)
    assert find_images("fashion-mnist", {}, {"fashion-mnist": own}) == IdxSource("fashion-mnist", own)
    registered = IdxSource("fashion-mnist", own)
    assert find_images("fashion-mnist", {"fashion-mnist": registered}) is registered


@pytest.mark.skipif(
    not PACKAGED["fashion-mnist"].is_dir(), reason="Debian's dataset-fashion-mnist is not there"
)
def test_the_packaged_fashion_mnist() -> None:
    source = IdxSource("fashion-mnist", PACKAGED["fashion-mnist"])
    train, test = source.load("train", 28), source.load("test", 28)
    np.testing.assert_array_equal(np.bincount(train.labels), [6000] * 10)
    np.testing.assert_array_equal(np.bincount(test.labels), [1000] * 10)
    # The statistics that everybody normalises Fashion-MNIST by.
    assert (round(train.mean[0] / 255, 4), round(train.std[0] / 255, 4)) == (0.2860, 0.3530)

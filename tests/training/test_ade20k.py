"""ADE20K's files: what is read, and what is said of other layouts, one line each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from uninas_bench.errors import InvalidFile, UserError
from uninas_bench.training.data.ade20k import Ade20kImages
from uninas_bench.training.recipes.reading import load_recipe
from uninas_bench.training.tasks.segmentation import SegmentationObjective

SIZES = [(40, 60), (60, 40), (33, 47)]


def labels_of(number: int) -> np.ndarray:
    height, width = SIZES[number % len(SIZES)]
    return np.random.default_rng(number).integers(0, 151, (height, width), dtype=np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four images of training and two of validation."""
    for split, numbers in (("training", range(4)), ("validation", range(4, 6))):
        for kind in ("images", "annotations"):
            (tmp_path / kind / split).mkdir(parents=True)
        for number in numbers:
            labels = labels_of(number)
            colours = np.stack([labels, 255 - labels, np.full_like(labels, number)], 2)
            Image.fromarray(colours).save(tmp_path / f"images/{split}/ADE_{number:08}.jpg", quality=95)
            Image.fromarray(labels).save(tmp_path / f"annotations/{split}/ADE_{number:08}.png")
    (tmp_path / "images/training/notes.txt").write_text("of another kind")
    return tmp_path


def test_images_and_labels(root: Path) -> None:
    training, test = Ade20kImages(root, "train"), Ade20kImages(root, "test")
    assert (len(training), len(test)) == (4, 2)
    for number in range(4):
        found, raw = training.read(number), labels_of(number)
        assert found.image.shape == (*raw.shape, 3)
        assert found.image.dtype == found.labels.dtype == np.uint8
        assert abs(int(np.median(found.image[..., 2])) - number) <= 2
        assert (found.labels[raw == 0] == 255).all()
        assert (found.labels[raw > 0] == raw[raw > 0] - 1).all()
        assert set(np.unique(found.labels)) <= {*range(150), 255}


def test_a_part_of_the_images(root: Path) -> None:
    part = Ade20kImages(root, "train", 2)
    assert len(part) == 2
    assert part.fingerprint != Ade20kImages(root, "train").fingerprint
    with pytest.raises(UserError, match="5 images wanted, but there are 4"):
        Ade20kImages(root, "train", 5)


def test_the_fingerprint_is_of_names_and_sizes(root: Path) -> None:
    before = Ade20kImages(root, "train").fingerprint
    assert before == Ade20kImages(root, "train").fingerprint
    assert before != Ade20kImages(root, "test").fingerprint
    path = root / "annotations/training/ADE_00000001.png"
    path.write_bytes(path.read_bytes() + b"\0")
    assert before != Ade20kImages(root, "train").fingerprint


def remove_split(root: Path) -> str:
    (root / "images/training").rename(root / "images/train")
    return rf"{root}/images/training: no such folder; ade20k is a folder with images/ and annotations/"


def empty_split(root: Path) -> str:
    for path in (root / "annotations/training").iterdir():
        path.unlink()
    return rf"{root}/annotations/training: no file that ends in \.png"


def remove_annotation(root: Path) -> str:
    (root / "annotations/training/ADE_00000002.png").unlink()
    return r"training/ADE_00000002\.png: no such annotation, but there is the image .*ADE_00000002\.jpg"


def remove_image(root: Path) -> str:
    (root / "images/training/ADE_00000003.jpg").unlink()
    return r"training/ADE_00000003\.jpg: no such image, but there is the annotation .*ADE_00000003\.png"


@pytest.mark.parametrize("spoil", [remove_split, empty_split, remove_annotation, remove_image])
def test_other_layouts(root: Path, spoil: Callable[[Path], str]) -> None:
    expected = spoil(root)
    with pytest.raises(InvalidFile, match=expected) as caught:
        Ade20kImages(root, "train")
    assert "\n" not in str(caught.value)


def label_out_of_range(root: Path) -> str:
    path = root / "annotations/training/ADE_00000000.png"
    labels = labels_of(0)
    labels[3, 4] = 151
    Image.fromarray(labels).save(path)
    return rf"{path}: label 151; expected 0 to 150"


def label_beyond_a_byte(root: Path) -> str:
    path = root / "annotations/training/ADE_00000000.png"
    labels = labels_of(0).astype(np.uint16)
    labels[3, 4] = 256 + 7
    Image.fromarray(labels).save(path)
    return rf"{path}: label 263; expected 0 to 150"


def annotation_in_colours(root: Path) -> str:
    path = root / "annotations/training/ADE_00000000.png"
    Image.fromarray(np.zeros((40, 60, 3), dtype=np.uint8)).save(path)
    return rf"{path}: an image in colours; expected one channel with labels 0 to 150"


def other_size(root: Path) -> str:
    path = root / "annotations/training/ADE_00000000.png"
    Image.fromarray(labels_of(0)[:-1]).save(path)
    return rf"{path}: 60 x 39 pixels, but .*ADE_00000000\.jpg has 60 x 40 pixels"


def corrupt_image(root: Path) -> str:
    path = root / "images/training/ADE_00000000.jpg"
    path.write_bytes(path.read_bytes()[:200])
    return rf"{path}: not a readable image: "


def no_image(root: Path) -> str:
    path = root / "images/training/ADE_00000000.jpg"
    path.write_text("<html>not found</html>")
    return rf"{path}: not a readable image: cannot identify"


def corrupt_annotation(root: Path) -> str:
    path = root / "annotations/training/ADE_00000000.png"
    path.write_bytes(path.read_bytes()[:100])
    return rf"{path}: not a readable image: "


@pytest.mark.parametrize(
    "spoil",
    [
        label_out_of_range,
        label_beyond_a_byte,
        annotation_in_colours,
        other_size,
        corrupt_image,
        no_image,
        corrupt_annotation,
    ],
)
def test_damaged_files(root: Path, spoil: Callable[[Path], str]) -> None:
    expected = spoil(root)
    images = Ade20kImages(root, "train")
    images.read(1)
    with pytest.raises(InvalidFile, match=expected) as caught:
        images.read(0)
    assert "\n" not in str(caught.value)


def test_the_objective_on_these_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load_recipe("segmentation", ["data.resolution=[32,32]"])
    objective = SegmentationObjective(recipe, {"ade20k": root})
    assert objective.classes == 150
    image, labels = objective.training[0]
    assert (image.shape, labels.shape) == ((3, 32, 32), (32, 32))
    image, labels = objective.test[0]
    # Number 4 is 60 high and 40 wide; 5 is 33 high and 47 wide.
    assert (image.shape, labels.shape) == ((3, 48, 32), (60, 40))
    images, targets = objective.collate([objective.test[0], objective.test[1]])
    assert [tuple(values.shape) for values in images] == [(3, 48, 32), (3, 32, 46)]
    assert [tuple(values.shape) for values in targets] == [(60, 40), (33, 47)]
    monkeypatch.delenv("UNINAS_BENCH_DATA", raising=False)
    with pytest.raises(UserError, match="no images of ade20k"):
        SegmentationObjective(recipe, {})
    with pytest.raises(InvalidFile, match="no such folder; ade20k is one with images/"):
        SegmentationObjective(recipe, {"ade20k": root / "elsewhere"})

"""ImageNet's layout: 2,000 files through the real reader, and one line for every layout that is another."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder

from uninas_bench.errors import InvalidFile, UserError
from uninas_bench.training.data.classification import ClassificationData, classification_data
from uninas_bench.training.data.image_folders import list_image_folders
from uninas_bench.training.data.seeded import Seeded
from uninas_bench.training.recipes.reading import load_recipe

CLASSES = ("n01440764", "n01443537", "n01484850", "n01491361")


def write_images(root: Path, train: int, val: int, size: tuple[int, int] = (40, 30)) -> Path:
    """JPEG files of noise, every one another, in as many classes as there are."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("val", val)):
        for number in range(count):
            name = CLASSES[number % len(CLASSES)]
            folder = root / split / name
            folder.mkdir(parents=True, exist_ok=True)
            coarse = rng.integers(0, 256, (3, 4, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize(size).save(folder / f"{name}_{number}.JPEG")
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_images(tmp_path, 12, 8)


def data_of(root: Path, *overrides: str) -> ClassificationData:
    small = ["data.resolution=[24, 24]", *overrides]
    return classification_data(load_recipe("classification", small), {"imagenet1k": root})


def test_files_and_labels_are_torchvisions(root: Path) -> None:
    Image.new("L", (9, 9), 7).save(root / "train" / CLASSES[1] / "grey.png")
    Image.new("CMYK", (9, 9), (9, 8, 7, 6)).save(root / "train" / CLASSES[2] / "cmyk.JPEG")
    (root / "train" / "readme.txt").write_text("beside the class folders")
    (root / "val" / CLASSES[0] / "notes.txt").write_text("no image")
    found = list_image_folders(root)
    for images, split in ((found.train, "train"), (found.test, "val")):
        theirs = ImageFolder(str(root / split))
        assert list(images.classes) == theirs.classes
        assert len(images) == len(theirs)
        for index in range(len(images)):
            (left, label), (right, wanted) = images.read(index), theirs[index]
            assert label == wanted
            assert left.mode == "RGB"
            np.testing.assert_array_equal(np.asarray(left), np.asarray(right))


def test_exif_does_not_turn_an_image(root: Path) -> None:
    path = root / "train" / CLASSES[0] / "a.JPEG"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 10)).save(path, exif=exif)
    images = list_image_folders(root).train
    sizes = {images.read(index)[0].size for index in range(len(images))}
    assert (20, 10) in sizes
    assert (10, 20) not in sizes


def test_names_that_are_no_ascii(root: Path) -> None:
    path = root / "val" / CLASSES[0] / "ä ü\udcff.jpg"
    Image.new("RGB", (5, 4)).save(path)
    images = list_image_folders(root).test
    assert (5, 4) in {images.read(index)[0].size for index in range(len(images))}


def test_the_fingerprint_changes_with_names_sizes_and_places(root: Path) -> None:
    seen = [list_image_folders(root).fingerprint]
    assert list_image_folders(root).fingerprint == seen[0]
    first = sorted((root / "val" / CLASSES[0]).iterdir())[0]
    first.write_bytes(first.read_bytes() + b"\0")
    seen.append(list_image_folders(root).fingerprint)
    first.rename(first.with_name("renamed.JPEG"))
    seen.append(list_image_folders(root).fingerprint)
    first.with_name("renamed.JPEG").rename(root / "val" / CLASSES[1] / "renamed.JPEG")
    seen.append(list_image_folders(root).fingerprint)
    moved = root.parent / f"{root.name} moved"
    shutil.copytree(root, moved)
    assert list_image_folders(moved).fingerprint == seen[-1]
    assert len(set(seen)) == len(seen)


def test_a_missing_split_is_named(root: Path) -> None:
    shutil.rmtree(root / "val")
    with pytest.raises(InvalidFile, match=rf"^{root}/val: no such folder; expected train/<class>/\*\.JPEG"):
        data_of(root)


def test_a_split_without_classes_is_named(root: Path) -> None:
    shutil.rmtree(root / "train")
    (root / "train").mkdir()
    Image.new("RGB", (9, 9)).save(root / "train" / "flat.JPEG")
    with pytest.raises(InvalidFile, match=rf"^{root}/train: no class folders; expected"):
        data_of(root)


def test_an_empty_class_folder_is_named(root: Path) -> None:
    for path in (root / "train" / CLASSES[2]).iterdir():
        path.rename(path.with_suffix(".txt"))
    with pytest.raises(InvalidFile, match=rf"^{root}/train/{CLASSES[2]}: no images in this class folder$"):
        data_of(root)


@pytest.mark.parametrize(("less", "more"), [("train", "val"), ("val", "train")])
def test_classes_of_one_split_only_are_named(root: Path, less: str, more: str) -> None:
    shutil.rmtree(root / less / CLASSES[3])
    wanted = rf"^{root}/{less}: no class folder {CLASSES[3]}, which {root}/{more} has \(1 differ\)$"
    with pytest.raises(InvalidFile, match=wanted):
        data_of(root)


def test_a_link_to_nowhere_is_named(root: Path) -> None:
    link = root / "train" / CLASSES[0] / "link.JPEG"
    link.symlink_to(root / "gone.JPEG")
    with pytest.raises(InvalidFile, match=rf"^{link}: No such file"):
        data_of(root)


def test_no_folder_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidFile, match=r"nowhere: no such folder"):
        data_of(tmp_path / "nowhere")
    monkeypatch.setenv("UNINAS_BENCH_DATA", str(tmp_path))
    with pytest.raises(UserError, match=r"no images of imagenet1k: .*--data imagenet1k=FOLDER"):
        classification_data(load_recipe("classification"), {})


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "gone"])
def test_a_damaged_image_is_named_when_it_is_read(root: Path, damage: str) -> None:
    path = sorted((root / "train" / CLASSES[1]).iterdir())[0]
    content = {"cut": path.read_bytes()[:300], "text": b"<html>404</html>", "empty": b""}
    if damage != "gone":
        path.write_bytes(content[damage])
    data = data_of(root)
    if damage == "gone":
        path.unlink()
    samples = Seeded(data.training, 0)
    with pytest.raises(InvalidFile, match=rf"^{path}: not a readable image: ") as raised:
        list(map(samples.__getitem__, [(0, index) for index in range(len(samples))]))
    assert "\n" not in str(raised.value)


def test_a_part_of_the_images_is_the_same_for_every_run(root: Path) -> None:
    part = data_of(root, "data.training_images=5", "data.test_images=3")
    assert (len(part.training), len(part.test)) == (5, 3)
    whole = data_of(root)
    assert list(part.test.indices) == list(data_of(root, "data.test_images=3").test.indices)
    every = {whole.test[index][0].numpy().tobytes() for index in range(len(whole.test))}
    assert {part.test[index][0].numpy().tobytes() for index in range(3)} <= every
    with pytest.raises(UserError, match="13 images wanted, but there are 12"):
        data_of(root, "data.training_images=13")


def test_two_thousand_images_through_the_reader_and_two_workers(tmp_path: Path) -> None:
    data = data_of(write_images(tmp_path, 1600, 400))
    assert (len(data.training), len(data.test), data.classes) == (1600, 400, 4)
    keys = [(0, index) for index in range(0, 1600, 4)]
    loader = torch.utils.data.DataLoader(
        Seeded(data.training, 3), sampler=keys, batch_size=50, num_workers=2, generator=torch.Generator()
    )
    batches = [(images, labels) for images, labels in loader]
    assert all(images.shape == (50, 3, 24, 24) and images.isfinite().all() for images, _ in batches)
    labels = torch.cat([labels for _, labels in batches])
    assert labels.tolist() == [label for label in range(4) for _ in range(100)]
    torch.testing.assert_close(batches[2][0][7], Seeded(data.training, 3)[0, keys[107][1]][0], rtol=0, atol=0)
    seen = torch.stack([data.test[index][0] for index in range(len(data.test))])
    assert seen.isfinite().all()
    assert len({tensor.numpy().tobytes() for tensor in seen}) == 400

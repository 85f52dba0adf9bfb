"""Recipes: every cell of Table III, what is assumed beside it, and one line for every mistake in a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.test_imports import imported_by
from uninas_bench.errors import InvalidFile, UnknownName, UserError
from uninas_bench.training.recipes.consistency import field_names
from uninas_bench.training.recipes.reading import (
    canonical_json,
    changed_fields,
    load_recipe,
    recipe_names,
    recipe_sentence,
    recipe_sha,
)
from uninas_bench.training.recipes.recipe import Recipe

# The paper's rows, by what they are called here; N is a GPU, whose images are those of a batch.
TABLE_III: dict[str, tuple[Any, Any, Any]] = {
    "data.dataset": ("imagenet1k", "coco", "ade20k"),
    "head.kind": ("linear", "mask-rcnn", "upernet"),
    "schedule.epochs": (150, 12, 125),
    "schedule.warm_up_epochs": (5, 5, 5),
    "run.batch": (48, 4, 4),
    "schedule.rate_batch": (48, 4, 4),
    "optimiser.name": ("adamw", "adamw", "adamw"),
    "optimiser.weight_decay": (0.05, 0.05, 0.05),
    "schedule.kind": ("cosine", "multi-step", "linear"),
    "schedule.warm_up_rate": (1e-7, 1e-7, 1e-7),
    "schedule.minimal_rate": (1e-6, 2.5e-6, 0.0),
    "schedule.rate": (1e-4, 2.5e-5, 1.5e-5),
    "optimiser.clip": (1.0, 1.0, 1.0),
    "backbone.drop_path": (0.2, 0.1, 0.3),
    "data.resolution": ((224, 224), (800, 1280), (512, 512)),
    # Of the caption: "first training image classification on ImageNet-1k and then fine-tuning".
    "backbone.pretrained_resolution": (0, 224, 224),
}
AUGMENTATION = {
    "classification": {"augmentation.policy": "rand-m15-n2-mstd0.5"},
    "detection": {"augmentation.flip": 0.5},
    "segmentation": {"augmentation.flip": 0.5, "augmentation.photometric": True},
}
# A data set is all of it, and the kind of augmentation goes with the task.
EVIDENT = {"data.training_images": 0, "data.test_images": 0}
KINDS = ("classification", "detection", "segmentation")


def field(recipe: Recipe, name: str) -> Any:
    section, key = name.split(".")
    return getattr(getattr(recipe, section), key)


def stated(kind: str) -> dict[str, Any]:
    cells = {name: values[KINDS.index(kind)] for name, values in TABLE_III.items()}
    return cells | AUGMENTATION[kind] | EVIDENT | {"augmentation.kind": kind}


@pytest.mark.parametrize("kind", KINDS)
def test_every_cell_of_table_iii(kind: str) -> None:
    recipe = load_recipe(kind)
    assert {name: field(recipe, name) for name in stated(kind)} == stated(kind)
    assert recipe.kind == recipe.name == kind


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_table_does_not_state_is_marked_as_assumed(kind: str) -> None:
    recipe = load_recipe(kind)
    assert len(set(recipe.assumed)) == len(recipe.assumed)
    assert set(recipe.assumed) == set(field_names(recipe)) - set(stated(kind))


def test_the_specification_of_what_is_assumed() -> None:
    classification, detection, segmentation = map(load_recipe, KINDS)
    assert field(classification, "head.smoothing") == 0.1
    assert field(classification, "augmentation.crop_area") == (0.08, 1.0)
    assert field(classification, "augmentation.flip") == 0.5
    assert field(classification, "augmentation.interpolation") == "random"
    assert detection.schedule.milestones == (8, 11)
    assert (detection.schedule.gamma, detection.schedule.clamped) == (0.1, True)
    assert detection.backbone.batch_norm == "frozen"
    assert detection.backbone.position_tables == "interpolated"
    assert segmentation.backbone.batch_norm == "synchronised"
    assert segmentation.backbone.position_tables == "resized"
    assert field(segmentation, "head.auxiliary_weight") == 0.4
    assert field(segmentation, "augmentation.scale") == (0.5, 2.0)
    for recipe in (classification, detection, segmentation):
        assert not recipe.optimiser.decay_all
        assert recipe.optimiser.betas == (0.9, 0.999)
        assert recipe.optimiser.eps == 1e-8


@pytest.mark.parametrize("name", recipe_names())
def test_a_smoke_form_changes_little_and_is_kept_under_its_own_name(name: str) -> None:
    full, smoke = load_recipe(name), load_recipe(name, smoke=True)
    assert smoke.name == f"{name}-smoke"
    assert smoke.kind == full.kind
    assert smoke.optimiser == full.optimiser
    assert smoke.augmentation == full.augmentation
    assert smoke.schedule.kind == full.schedule.kind
    assert smoke.backbone.drop_path == full.backbone.drop_path
    images = smoke.data.training_images
    assert 0 < images * smoke.schedule.epochs <= 128
    assert images % smoke.run.batch == 0
    assert recipe_sha(smoke) != recipe_sha(full)


def test_a_classifier_of_the_smoke_form_fits_the_fine_tunings() -> None:
    pixels = load_recipe("classification", smoke=True).data.resolution[0]
    for kind in KINDS[1:]:
        recipe = load_recipe(kind, smoke=True)
        assert recipe.backbone.pretrained_resolution == pixels
        assert recipe.data.resolution[0] != pixels, "position tables are not put to the test"


def toml(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def written(recipe: Recipe, path: Path, order: Callable[[Any], Any] = list) -> Path:
    """The recipe as a file of the user's, its keys in any order."""
    content = recipe.model_dump()
    sections = {key: value for key, value in content.items() if isinstance(value, dict)}
    lines = [f"{key} = {toml(content[key])}" for key in order(content) if key not in sections]
    for name in order(sections):
        lines += [f"[{name}]", *(f"{key} = {toml(sections[name][key])}" for key in order(sections[name]))]
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("name", recipe_names())
def test_the_hash_is_of_the_content_and_not_of_its_order(tmp_path: Path, name: str) -> None:
    recipe = load_recipe(name)
    again = load_recipe(written(recipe, tmp_path / "a.toml", lambda keys: sorted(keys, reverse=True)))
    assert again == recipe
    assert recipe_sha(again) == recipe_sha(recipe)
    assert Recipe.model_validate_json(canonical_json(recipe)) == recipe
    other = load_recipe(name, ["optimiser.eps=1e-7"])
    assert recipe_sha(other) != recipe_sha(recipe)


def test_overrides_are_toml_or_bare_words() -> None:
    recipe = load_recipe(
        "classification",
        [
            "augmentation.policy=rand-m15-mmax30-n2-mstd0.5",
            "schedule.rate = 2e-4",
            "schedule.minimal_rate=0",
            "run.compile=true",
            "data.resolution=[192, 192]",
            'data.dataset="cifar10"',
            "name=mine",
        ],
    )
    assert field(recipe, "augmentation.policy") == "rand-m15-mmax30-n2-mstd0.5"
    assert recipe.schedule.rate == 2e-4
    assert recipe.schedule.minimal_rate == 0.0
    assert recipe.run.compile is True
    assert recipe.data.resolution == (192, 192)
    assert (recipe.data.dataset, recipe.name) == ("cifar10", "mine")
    assert field(load_recipe("classification", ["augmentation.policy="]), "augmentation.policy") == ""


def test_an_override_goes_above_the_smoke_form() -> None:
    assert load_recipe("classification", ["run.batch=4"], smoke=True).run.batch == 4


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("schedule.epoch=3", r'no field "schedule.epoch"; did you mean "epochs"\?$'),
        ("schedul.epochs=3", r'no section "schedul"; did you mean "schedule"\?$'),
        ("epochs=3", r'no field "epochs" \(known: .*schedule'),
        ("schedule=3", r"schedule is a section; set its fields"),
        ("schedule.epochs", r"expected section.field=VALUE, as in schedule.epochs=10$"),
        ("=3", r"expected section.field=VALUE"),
        ("schedule.epochs.more=3", r'no section "schedule.epochs"'),
        ("schedule.epochs=3.5", r"schedule.epochs = 3.5: input should be a valid integer"),
        ("schedule.epochs=many", r'schedule.epochs = "many": input should be a valid integer'),
        ("schedule.epochs=0", r"schedule.epochs = 0: input should be greater than 0"),
        ("schedule.epochs=2020-01-01", r"schedule.epochs"),
        ("schedule.rate=inf", r"schedule.rate = Infinity: input should be a finite number"),
        ("schedule.rate=nan", r"schedule.rate = NaN"),
        ("run.compile=1", r"run.compile = 1: input should be a valid boolean"),
        ("head.smoothing=1.5", r"head.smoothing = 1.5: input should be less than or equal to 1"),
        ("head.kind=linaer", r"head.kind = \"linaer\": expected one of 'linear', 'mask-rcnn', 'upernet'"),
        ("head.kind=upernet", r'"head.channels" is missing'),
        ("data.resolution=[224]", r"data.resolution.1 = \[224\]: field required"),
        ("schedule.warm_up_epochs=151", r"expected at most schedule.epochs = 150$"),
        ("schedule.minimal_rate=1", r"schedule.minimal_rate = 1.0: expected at most schedule.rate = 0.0001$"),
        ("schedule.milestones=[3]", r"schedule.milestones = \[3\]: expected \[\] where kind is cosine$"),
        ("data.resolution=[224, 192]", r"expected a square for classification$"),
        ("data.resolution=[2, 2]", r"expected sides of 8 to 4096 pixels$"),
        ("data.dataset=cifar11", r'no data set "cifar11"; did you mean "cifar10"\?'),
        ("data.dataset=coco", r'"coco": is for detection, not for classification$'),
        ("augmentation.crop_area=[0.5, 0.1]", r"expected the least first, above 0$"),
        ("augmentation.evaluation_crop=0", r"evaluation_crop = 0.0: expected a part of the image above 0$"),
        ("augmentation.padding=4", r'padding = 4: expected 0 where crop is "random-resized"$'),
        ("optimiser.betas=[0.9, 1.0]", r"optimiser.betas = \[0.9, 1.0\]: expected less than 1$"),
        ("backbone.drop_path=1", r"backbone.drop_path = 1.0: expected less than 1$"),
        ("backbone.pretrained_resolution=5", r"expected 0 or 8 to 4096 pixels$"),
        ("assumed=[1]", r"assumed.0 = 1: input should be a valid string$"),
        ('assumed=["run.bach"]', r'assumed: "run.bach" is no field of a section$'),
        ("kind=detection", r'head.kind = "linear": expected "mask-rcnn" for detection$'),
        ("name=My Recipe", r"name = \"My Recipe\": string should match"),
    ],
)
def test_a_wrong_override_is_one_line(override: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        load_recipe("classification", [override])
    assert "\n" not in str(raised.value)
    assert override in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "override", "message"),
    [
        ("detection", "schedule.milestones=[8, 12]", r"expected rising epochs below 12$"),
        ("detection", "schedule.milestones=[11, 8]", r"expected rising epochs below 12$"),
        ("detection", "data.resolution=[1280, 800]", r"expected the short side's limit first$"),
        ("segmentation", "augmentation.scale=[2.0, 0.5]", r"expected the least first$"),
        ("segmentation", "data.dataset=imagenet1k", r"is for classification, not for segmentation$"),
    ],
)
def test_wrong_overrides_of_the_fine_tunings(kind: str, override: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_recipe(kind, [override])


@pytest.mark.parametrize(
    ("policy", "part"),
    [
        ("rand-m15-x3", "x3"),
        ("rand-m15-foo", "foo"),
        ("rand-m1.5", "m1.5"),
        ("rand-m15-mstdinf", "mstdinf"),
        ("rand-p.5", "p.5"),
        ("rand-n0", "n0"),
        ("rand--m9", ""),
        ("rand-tcolor", "tcolor"),
    ],
)
def test_the_part_of_a_policy_that_timm_would_pass_over_or_die_of_is_named(policy: str, part: str) -> None:
    with pytest.raises(UserError, match=rf'policy "{policy}": "{part}" is no part of it'):
        load_recipe("classification", [f"augmentation.policy={policy}"])


def test_other_policies_than_rand_augment_are_refused() -> None:
    for policy in ("augmix-m3", "original", "random"):
        with pytest.raises(UserError, match="expected RandAugment"):
            load_recipe("classification", [f"augmentation.policy={policy}"])
    with pytest.raises(UserError, match="m is given twice"):
        load_recipe("classification", ["augmentation.policy=rand-m9-m10"])


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return written(load_recipe("classification"), tmp_path / "own.toml")


def changed(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


def test_a_file_states_every_field(own: Path) -> None:
    assert load_recipe(own) == load_recipe(str(own)) == load_recipe("classification")
    with pytest.raises(InvalidFile, match=r'own\.toml: "optimiser.eps" is missing; a recipe states all'):
        load_recipe(changed(own, "eps = ", "# eps = "))


def test_a_section_that_is_missing_is_named(own: Path) -> None:
    text = own.read_text()
    own.write_text(text[: text.index("[run]")])
    with pytest.raises(InvalidFile, match=r'own\.toml: "run" is missing'):
        load_recipe(own)


def test_unknown_keys_are_named_with_the_nearest_that_exists(own: Path) -> None:
    with pytest.raises(InvalidFile, match=r'own\.toml: no field "head.smooth"; did you mean "smoothing"\?$'):
        load_recipe(changed(own, "smoothing = 0.1", "smoothing = 0.1\nsmooth = 0.1"))


def test_unknown_sections_are_named(own: Path) -> None:
    with pytest.raises(InvalidFile, match=r'own\.toml: no field "optimizer"; did you mean "optimiser"\?$'):
        load_recipe(changed(own, "[run]", "[optimizer]\n[run]"))


def test_the_kind_of_a_head_is_needed(own: Path) -> None:
    with pytest.raises(InvalidFile, match=r'own\.toml: "head.kind" is missing$'):
        load_recipe(changed(own, 'kind = "linear"', ""))


def test_files_that_are_no_recipes(tmp_path: Path, own: Path) -> None:
    with pytest.raises(InvalidFile, match=r"none\.toml: No such file"):
        load_recipe(tmp_path / "none.toml")
    with pytest.raises(InvalidFile, match=r"own\.toml: not TOML: .*line"):
        load_recipe(changed(own, "[run]", "[run"))
    own.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidFile, match=r"own\.toml: not a text in UTF-8$"):
        load_recipe(own)
    with pytest.raises(UnknownName, match=r'no recipe "clasification"; did you mean "classification"\?'):
        load_recipe("clasification")


def test_the_smoke_form_of_ones_own_recipe_lies_beside_it(own: Path) -> None:
    with pytest.raises(InvalidFile, match=r"has no smoke form; write own\.smoke\.toml beside it"):
        load_recipe(own, smoke=True)
    beside = own.with_name("own.smoke.toml")
    beside.write_text("[run]\nbatch = 2\n")
    assert load_recipe(own, smoke=True).run.batch == 2
    beside.write_text("[run]\nbach = 2\n")
    with pytest.raises(InvalidFile, match=r'own\.toml with own\.smoke\.toml: no field "run.bach"'):
        load_recipe(own, smoke=True)


def test_reading_a_recipe_needs_no_torch() -> None:
    module = "uninas_bench.training.recipes.reading"
    code = f"from {module} import load_recipe; load_recipe('classification', smoke=True)"
    assert imported_by(code) == set()


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_as_published_has_no_changed_fields(name: str) -> None:
    assert changed_fields(load_recipe(name)) == ()
    assert "changed" not in recipe_sentence(load_recipe(name))


def test_changed_fields_are_named() -> None:
    changed = load_recipe("classification", ["schedule.epochs=90", "run.batch=48", "head.smoothing=0"])
    assert changed_fields(changed) == ("head.smoothing", "schedule.epochs")
    assert recipe_sentence(changed).endswith("; changed: head.smoothing, schedule.epochs")
    assert changed_fields(load_recipe("classification", ["name=mine", "schedule.epochs=90"])) == ()


def test_a_recipe_in_one_sentence() -> None:
    sentence = recipe_sentence(load_recipe("classification", ["run.steps=9"]))
    for part in (
        "imagenet1k",
        "150 epochs",
        "48 images",
        "0.0001",
        "rand-m15-n2-mstd0.5",
        "9 steps",
        "Table III",
    ):
        assert part in sentence
    assert "\n" not in sentence

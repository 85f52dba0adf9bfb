"""The space as a whole: conformance, both encodings, the numbering, samples, mutations, one-line refusals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice, pairwise
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chisquare

from tests.test_imports import imported_by
from uninas_bench.architecture import Architecture, Task
from uninas_bench.errors import InvalidArchitecture, UserError
from uninas_bench.space import SearchSpace
from uninas_bench.spaces.hytra.space import Hytra
from uninas_bench.tasks import find_task
from uninas_bench.testing.spaces import SpaceTestCase

SPACE = Hytra()
ANY = Hytra().scaled(definition="A")
T0 = "5433 3230 0010 0000"
Digits = NDArray[np.int64]
STAGE = {"5": 0, "4": 1, "3": 2, "2": 2, "1": 3, "0": 3}


class TestConformance(SpaceTestCase):
    task: ClassVar[Task] = Task("conformance", "conformance", 32, 5)
    samples = 12
    malformed = (
        "5433 3230 0010 000",
        "5333 3230 0010 0000",
        "5433 3230 0010 0003",
        "5433 3230 0610 0000",
        "[[1],[1],[1]]",
        "[[0],[1],[1]*5,[0]*9]",
        "[[1],[],[1]*6,[0]*9]",
        "[[1],[1],[1]*5,[2]*9]",
        "1703991",
        "-1",
        "resnet",
    )

    def make_space(self) -> SearchSpace:
        return Hytra().scaled(widths="8:16:24:32", stem=8, head=8)


class TestWithExcitation(TestConformance):
    def make_space(self) -> SearchSpace:
        return Hytra().scaled(
            blocks="2:1:1:2",
            widths="8:8:16:16",
            stem=4,
            head=8,
            style="se",
            strides="1:2:2:1",
            definition="A",
        )


# Specification 1.3: what the released code and the paper's figures say these networks are.
@pytest.mark.parametrize(
    ("name", "stages", "convolutions"),
    [
        ("bossnet-t0", "[[1],[1],[1,1,1,0,1],[0,0,0,1,0,0,0,0,0]]", 7),
        ("r50-t", "[[1]*3,[1]*4,[1]*6,[1]*3]", 16),
        ("bot50-t", "[[1]*3, [1]*4, [1]*6, [0]*3]", 13),
        ("ViT-T/16", "[[],[],[0]*16,[]]", 0),
        ("vit-t/32", "[],[],[],[0]*16", 0),
        ("random-t", "[[],[],[0,1,1,1,0,0,1,0,1,1,0],[0,1,0,1,1]]", 9),
        ("dna-t", "[[1],[1,1,1],[1,0,1,1,1,1,0,1],[0,1,1,1]]", 13),
        ("UnNAS-T", "[[],[1],[1,1],[1,1,1,0,0,0,0,1,0,0,1,1,0]]", 9),
    ],
)
def test_names_stand_for_the_papers_networks(name: str, stages: str, convolutions: int) -> None:
    architecture = SPACE.parse(name)
    assert SPACE.parse(stages) == architecture
    assert SPACE.spellings(architecture)["name"] == name.lower()
    assert sum(digit in "5431" for digit in SPACE.digits(architecture)) == convolutions


def test_t1_is_a_name_at_its_own_strides_alone() -> None:
    with pytest.raises(InvalidArchitecture, match=r"strides=1:2:2:1,style=se; .* strides=1:2:2:2"):
        SPACE.parse("bossnet-t1")
    scaled = SPACE.scaled(strides="1:2:2:1", style="se")
    assert scaled.parse("bossnet-t1") == SPACE.parse("bossnet-t0")
    assert "name" not in SPACE.spellings(SPACE.parse("5433 3230 0010 0001"))
    with pytest.raises(InvalidArchitecture, match="expected 8 layers, got 16"):
        SPACE.scaled(blocks="2:2:2:2").parse("r50-t")


def test_both_encodings_of_10000_samples_are_read_back() -> None:
    drawn = ANY.sample(10_000, np.random.default_rng(0))
    stages = [ANY.spellings(architecture)["stages"] for architecture in drawn]
    assert [ANY.parse(text) for text in stages] == drawn
    assert [ANY.parse(architecture.encoding) for architecture in drawn] == drawn
    assert len(set(stages)) == len(set(drawn)) == 10_000
    ranks = [ANY.index(architecture) for architecture in drawn]
    assert [ANY.encoding_at(rank) for rank in ranks] == [architecture.encoding for architecture in drawn]


def test_samples_have_the_exact_marginals() -> None:
    """Against a full enumeration: every layer's digit, neighbouring layers, layers in each stage."""
    whole = _table(SPACE.scale.fabric)
    assert len(whole) == SPACE.size == 1_703_991
    drawn = _table(a.encoding.replace(" ", "") for a in SPACE.sample(20_000, np.random.default_rng(1)))
    features: list[Callable[[Digits], Digits]] = [
        *(lambda table, layer=layer: table[:, layer] for layer in range(16)),  # type: ignore[misc]
        *(lambda table, layer=layer: table[:, layer] * 6 + table[:, layer + 1] for layer in (3, 7, 11)),  # type: ignore[misc]
        lambda table: (table >= 4).sum(1) * 17 + (table <= 1).sum(1),
        lambda table: ((table == 2) | (table == 0)).sum(1),
    ]
    pvalues = []
    for feature in features:
        exact = np.bincount(feature(whole), minlength=300) * (len(drawn) / len(whole))
        observed = np.bincount(feature(drawn), minlength=300)
        assert not observed[exact == 0].any()
        often = exact >= 5
        observed = np.append(observed[often], observed[~often].sum())
        exact = np.append(exact[often], exact[~often].sum())
        pvalues.append(chisquare(observed[exact > 0], exact[exact > 0]).pvalue)
    assert min(pvalues) > 1e-3
    assert np.median(pvalues) > 0.1


def _table(strings: Iterable[str]) -> Digits:
    """A row for each string, a column for each layer."""
    return np.frombuffer("".join(strings).encode(), np.uint8).reshape(-1, 16).astype(np.int64) - ord("0")


def test_enumeration_follows_the_indices() -> None:
    first = list(islice(SPACE.enumerate(), 5000))
    assert [SPACE.index(architecture) for architecture in first] == list(range(5000))
    assert first == sorted(first)
    for index in (0, 5000, 1_000_000, 1_703_990):
        assert SPACE.index(SPACE.parse(str(index))) == index


def test_mutants_are_all_legal_neighbours_and_equally_likely() -> None:
    architecture = SPACE.parse(T0)
    rng = np.random.default_rng(0)
    found = Counter(SPACE.mutate(architecture, rng).encoding for _ in range(4000))
    own = T0.replace(" ", "")
    legal = set()
    for layer in range(16):
        for digit in set("543210") - {own[layer]}:
            other = own[:layer] + digit + own[layer + 1 :]
            path = [STAGE[d] for d in other]
            if path[0] <= 1 and all(b - a in (0, 1) for a, b in pairwise(path)):
                legal.add(other)
    assert {text.replace(" ", "") for text in found} == legal
    assert chisquare(list(found.values())).pvalue > 1e-3


def test_mutants_stay_in_the_definition_where_they_can() -> None:
    rng = np.random.default_rng(0)
    outside = SPACE.parse("vit-t/32")
    mutants = {SPACE.mutate(outside, rng) for _ in range(200)}
    assert all(ANY.index(mutant) >= 0 for mutant in mutants)
    assert {SPACE.mutate(SPACE.parse("vit-t/16"), rng) for _ in range(200)} <= set(
        map(SPACE.parse, (f"{d}222 2222 2222 2222" for d in "4"))
    )
    with pytest.raises(InvalidArchitecture, match="no index by definition B"):
        SPACE.index(outside)
    assert "index" not in SPACE.spellings(outside)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "5333 3230 0010 0000",
            "layer 2 at position 2 goes from stage 1 (56 of 224) to stage 3 (14 of 224): a layer halves once",
        ),
        ("hytra:5433 3231 3010 0000", "layer 9 at position 17 goes from stage 4 (7 of 224) to stage 3 (14"),
        ("hytra:543332300010000", "hytra: expected 16 layers, got 15"),
        ("5433-3230-0010-00000", "hytra: expected 16 layers, got 17"),
        ("5433 3230 0070 0000", 'unknown digit "7" at position 13 (layer 11); known: 0, 1, 2, 3, 4, 5'),
        ("[[1, 0],[1],[1]*5,[0]*8]", "0 (ResAtt) at position 6: stage 1 (56 of 224) has ResConv alone"),
        ("[[1],[1],[1]*5,[0]*8]", "expected 16 layers, got 15"),
        ("[[1],[],[1]*6,[0]*9]", "stage 2 (28 of 224) has no layers, those before and behind it have"),
        ("[[1],[1],[1]*5,[2]*9]", 'unknown layer "2" at position 17; known: 0 ResAtt, 1 ResConv'),
        ("[[1],[1],[1]*14]", "expected 4 stage lists, got 3"),
        ("[[1],[1],x,[1]*14]", 'expected a list such as [1,0] at position 10, got "x,[1]*14"'),
        ("1703991", "index 1703991 out of range; expected 0..1703990"),
        ("resnet", 'cannot read "resnet"; expected digits such as 5433 3230 0010 0000, stage lists'),
    ],
)
def test_malformed_texts_say_where_and_what(text: str, message: str) -> None:
    with pytest.raises(InvalidArchitecture) as caught:
        SPACE.parse(text)
    assert message in str(caught.value)
    assert str(caught.value).startswith("hytra: ")


@pytest.mark.parametrize("encoding", ["5433 3230 0010", "5433323000100000", "5333 3230 0010 0000", "text"])
def test_architectures_of_another_space_are_refused(encoding: str) -> None:
    with pytest.raises(InvalidArchitecture, match="is no architecture of this space"):
        SPACE.costs(Architecture("hytra", encoding), find_task("cifar10"))
    with pytest.raises(InvalidArchitecture, match="is no architecture of this space"):
        SPACE.costs(Architecture("mbconv", T0), find_task("cifar10"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"blocks": "4:4:4"}, "scale blocks=4:4:4: expected 4 integers of at least 1, as in blocks=4:4:4:4"),
        ({"blocks": "16:16:16:16"}, "expected at most 48 layers"),
        ({"strides": "1:2:2:3"}, "scale strides=1:2:2:3: expected strides of 1 or 2"),
        ({"style": "relu"}, "scale style=relu: expected one of plain, se"),
        ({"definition": "F"}, "scale definition=F: expected one of A, B, C, D, E"),
        ({"stem": 0}, "scale stem=0: expected an integer of at least 1"),
        ({"widths": "64:128:256:500"}, "scale head=64: width 500 does not divide into 7 heads"),
        ({"width": 3}, 'no scale parameter "width"; did you mean "widths"'),
    ],
)
def test_impossible_scales_are_refused(overrides: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        SPACE.scaled(**overrides)
    assert message in str(caught.value)


def test_indices_and_layers_never_look_alike() -> None:
    for blocks in ("1:1:1:1", "2:2:2:2", "5:4:4:4"):
        space = Hytra().scaled(blocks=blocks, definition="A")
        assert space.size is not None
        for architecture in space.sample(min(200, space.size), np.random.default_rng(0)):
            for text in space.spellings(architecture).values():
                assert space.parse(text) == architecture


def test_the_spaces_work_without_torch() -> None:
    code = (
        "import uninas_bench as ub, numpy as np\n"
        "from uninas_bench.drawing import diagram_of\n"
        "for name in ('hytra', 'mbconv'):\n"
        "    space = ub.space(name)\n"
        "    for point in space.sample(3, np.random.default_rng(0)):\n"
        "        mutant = space.mutate(space.parse(point.encoding), np.random.default_rng(0))\n"
        "        space.costs(mutant, space.tasks[0])\n"
        "        diagram_of(space, point, task=space.tasks[0])\n"
    )
    assert not {"torch", "torchvision"} & imported_by(code)

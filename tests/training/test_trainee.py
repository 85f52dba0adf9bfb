import pickle

import pytest
import torch

from tests.training.networks import UNINAS, of
from uninas_bench.errors import InvalidArchitecture, UnknownName, UserError
from uninas_bench.spaces.hytra.space import Hytra
from uninas_bench.training.networks.trainee import TIMM, TimmTrainee, trainee_of


def test_a_trainee_is_a_value() -> None:
    one, two = of(UNINAS, "E | R | T1, T1 | T2"), of(UNINAS, "E|R|T*2|T2")
    assert one == two
    assert hash(one) == hash(two)
    assert one.key == two.key
    assert pickle.loads(pickle.dumps(one)) == one
    assert (one.space, one.architecture) == ("uninas", "E | R | T1, T1 | T2")
    assert one.scale == "widths=16:32:32:64,depths=1:1:2:1,stem=8:16"
    assert str(one) == "uninas:E | R | T1, T1 | T2"


def test_keys_are_names_of_files_and_stay() -> None:
    # By sha256sum, of the three texts in a line each.
    assert of(UNINAS, "E | R | T1, T1 | T2").key == "uninas-e-r-t1-t1-t2-9d9f3146cc"
    long = of(UNINAS, "[conv3 gelu conv3 gelu conv3 / zero] | R | T1, T1 | T2").key
    assert len(long) <= 51
    assert set(long) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_another_scale_is_another_trainee() -> None:
    wider = UNINAS.scaled(widths="32:32:32:64")
    assert of(UNINAS, "E | R | T1, T1 | T2").key != of(wider, "E | R | T1, T1 | T2").key
    space = Hytra()
    one, two = (trainee_of(space, space.parse(text)) for text in ("5" * 16, "5" * 15 + "4"))
    assert one.key != two.key


def test_timms_models_by_name() -> None:
    trainee = TimmTrainee("test_resnet")
    assert (trainee.space, trainee.scale, trainee.architecture) == ("timm", "", "test_resnet")
    assert str(trainee) == f"{TIMM}test_resnet"
    assert trainee.network(64, 7)(torch.zeros(1, 3, 64, 64)).shape == (1, 7)


@pytest.mark.parametrize("name", ["resnet_50", "hf-hub:timm/resnet50", "renset50.a1_in1k", ""])
def test_an_unknown_model_of_timms(name: str) -> None:
    with pytest.raises(UnknownName) as caught:
        TimmTrainee(name)
    message = str(caught.value)
    assert message.startswith(f'no timm model "{name}"')
    assert len(message) < 150
    if name == "resnet_50":
        assert 'did you mean "resnet50"?' in message


def test_published_weights_are_not_loaded() -> None:
    with pytest.raises(UserError, match=r'^timm model "resnet50.a1_in1k": .* without their tag: resnet50$'):
        TimmTrainee("resnet50.a1_in1k")


def test_a_network_that_does_not_exist_at_a_resolution() -> None:
    # A bias on a map of 16 x 16 pixels, which is 4 x 4 places against each other; 14 is no square.
    trainee = of(UNINAS, "E | R | [rel_pos_bias / zero], R | R")
    assert trainee.network(256, 5)
    with pytest.raises(InvalidArchitecture, match="5 classes at 224 pixels"):
        trainee.network(224, 5)


def test_the_drop_path_that_is_asked_for() -> None:
    network = of(UNINAS, "E | R | T1, T1 | T2").network(64, 5, 0.4)
    rates = [module.p for name, module in network.named_modules() if name.endswith("drop_path")]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])

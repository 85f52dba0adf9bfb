"""Rounding: where it decides what a network says, digits are added, or the proxy says so."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from uninas_bench import NotApplicable
from uninas_bench.subject import NetworkSubject
from uninas_bench_plugins._fisher.precision import Unsettled, check_settled
from uninas_bench_plugins.vkdnw import Vkdnw


class _Chaotic(nn.Module):
    """Iterates x -> 4 x (1 - x): the doubling map in other coordinates, so every turn costs one bit."""

    def __init__(self, turns: float) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, stride=2, bias=False)
        self.mix = nn.Conv2d(6, 6, 1)
        self.head = nn.Linear(6, 4)
        self.turns = int(turns)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).sigmoid()
        for _ in range(self.turns):
            x = 4 * x * (1 - x)
        logits: Tensor = self.head(self.mix(x).mean((2, 3)))
        return logits


class _SingleOnly(_Chaotic):
    def double(self) -> _SingleOnly:
        raise AssertionError("single precision is enough")


class _Exploding(nn.Sequential):
    def __init__(self, gain: float) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4), nn.Linear(4, 4))
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.mul_(gain)


def images(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(6, 3, 9, 9, generator=torch.Generator().manual_seed(5)).to(dtype)


def made(kind: type[nn.Module], size: float, seed: int = 1) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind(size).eval()


def entropy(network: nn.Module, **settings: object) -> float:
    proxy = Vkdnw().with_settings(fim="exact", smoothing=0, **settings)
    batches = [(images(next(network.parameters()).dtype), torch.zeros(6, dtype=torch.int64))]
    subject = NetworkSubject(network, batches, proxy.settings, init="keep", seed=0, features=None)
    return proxy.evaluate(subject)["entropy"]


def entropy_of_likelihoods(network: nn.Module) -> float:
    """The same from gradients of log-likelihoods in float64, image by image and class by class."""
    network, parameters = network.double(), list(network.parameters())
    total = np.zeros((len(parameters), len(parameters)))
    for image in images(torch.float64):
        log_likelihood = network(image[None])[0].log_softmax(0)
        for value in log_likelihood:
            grads = torch.autograd.grad(value, parameters, retain_graph=True)
            score = np.array([grad.flatten()[0].item() for grad in grads])
            total += float(value.detach().exp()) * np.outer(score, score) / 6
    q = np.quantile(np.linalg.eigvalsh(total).clip(0), np.arange(1, 10) / 10)
    t = q / (q.sum() + 1e-10)
    return float(-(t * np.log(t + 1e-10)).sum())


def test_lost_bits_are_made_up_for() -> None:
    with torch.no_grad():
        said, meant = made(_Chaotic, 20)(images()), made(_Chaotic, 20).double()(images(torch.float64))
    assert (said - meant).abs().max() > 1e-3, "float32 would do: nothing is tested"
    assert entropy(made(_Chaotic, 20)) == pytest.approx(entropy_of_likelihoods(made(_Chaotic, 20)), rel=1e-6)


def test_where_single_precision_settles_all_it_stays() -> None:
    network = made(_SingleOnly, 1)
    assert entropy(network) == pytest.approx(entropy_of_likelihoods(made(_Chaotic, 1)), rel=1e-3)


def test_what_float64_does_not_settle_has_its_reason() -> None:
    with pytest.raises(NotApplicable, match=r"^rounding decides the logits in float64: .*vkdnw.init=model"):
        entropy(made(_Chaotic, 60))
    with pytest.raises(NotApplicable, match=r"^rounding decides the logits in float64: [^;]*$"):
        entropy(made(_Chaotic, 60), init="model")


def test_an_overflow_of_single_precision_is_none_of_double() -> None:
    assert not made(_Exploding, 1e22)(images()).isfinite().all()
    assert np.isfinite(entropy(made(_Exploding, 1e22)))
    with pytest.raises(NotApplicable, match="the logits are not finite in float64"):
        entropy(made(_Exploding, 1e22).double().apply(_times_1e200))


def _times_1e200(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.constant_(module.weight, 1e200)


@pytest.mark.parametrize("network", [nn.Flatten(), nn.Sequential(nn.Flatten(), nn.Tanh())])
def test_the_check_leaves_images_and_randomness_alone(network: nn.Module) -> None:
    given, state = images(), torch.get_rng_state()
    check_settled(network, given, network(given))
    assert torch.equal(given, images())
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(Unsettled):
        check_settled(network, given, network(given) + 0.1)


def test_logits_of_zero_are_settled() -> None:
    check_settled(lambda x: x.flatten(1) * 0, images(), images().flatten(1) * 0)  # type: ignore[arg-type]

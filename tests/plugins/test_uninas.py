"""Every proxy on walked UniNAS networks, whole and block by block."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import uninas_bench as ub
from uninas_bench.architecture import Architecture
from uninas_bench.spaces.uninas.space import Uninas

TASK = "cifar10@32"
PROXIES = ("params", "flops", "nwot", "jacov", "epe_nas", "zico", "zen", "te_nas", "az_nas", "vkdnw")


@pytest.fixture(scope="module")
def space() -> Uninas:
    return Uninas().scaled(widths="32:32:64:64", depths="1:1:1:1", stem="8:16")


@pytest.fixture(scope="module")
def walked(space: Uninas) -> list[Architecture]:
    return space.sample(12, np.random.default_rng(0))


@pytest.mark.parametrize("name", PROXIES)
@pytest.mark.parametrize("scope", ["network", "blocks"])
def test_scores_are_finite(name: str, scope: str, space: Uninas, walked: list[Architecture]) -> None:
    settings = {"batch": 8, "source": "gaussian"}
    proxy = ub.proxy(name)
    if hasattr(proxy.settings, "scope"):
        settings["scope"] = scope
    elif scope == "blocks":
        pytest.skip("it has no blocks: costs are of the network")
    frame = ub.score(walked, [proxy.with_settings(**settings)], space=space, task=TASK)
    assert set(frame["message"]) == {""}
    assert np.isfinite(frame["value"]).all()


def test_block_entropies_are_those_of_each_blocks_own_fisher_matrix(space: Uninas) -> None:
    """UniNAS paper, equation 3, computed block by block from plain per-image Jacobians in float64.

    Without smoothing and with the exact matrix: F = E_x E_(c~p) g g^T with g the gradient of log p_c by the
    first number of each of the block's parameter tensors.
    """
    architecture = space.parse("E | R | T2 | [conv3 gelu / copy2 ; conv1 ; sigmoid add2]")
    settings = {"batch": 6, "fim": "exact", "smoothing": 0, "scope": "blocks", "init": "model"}
    scored = ub.score([architecture], [ub.proxy("vkdnw", **settings)], space=space, task=TASK)
    entropy = scored.set_index("component")["value"]["entropy"]

    class Spy(ub.Proxy):
        name = "spy"
        needs = frozenset({"images"})

        def evaluate(self, subject: ub.Subject) -> dict[str, float]:
            network = subject.network().double().eval()
            images = subject.batch()[0].double()
            entropies = [_entropy(network, images, block) for _, block in subject.blocks(network)]
            return {"spy": sum(entropies) / len(entropies)}

    # The weights of a cell depend on the proxy's name, version and settings: the spy borrows them all.
    spy = Spy(ub.proxy("vkdnw", **settings).settings)
    spy.name, spy.version, spy.components = "vkdnw", ub.proxy("vkdnw").version, ("spy",)
    found = ub.score([architecture], [spy], space=space, task=TASK)
    assert found["message"].item() == ""
    expected = found["value"].item()
    assert entropy == pytest.approx(expected, rel=1e-4)
    assert 0.05 < entropy < math.log(9)


def _entropy(network: torch.nn.Module, images: torch.Tensor, block: torch.nn.Module) -> float:
    mine = list(block.parameters())
    total = torch.zeros(len(mine), len(mine), dtype=torch.double)
    for image in images:
        for log in network(image[None])[0].log_softmax(0):
            found = torch.autograd.grad(log, mine, retain_graph=True, allow_unused=True)
            gradient = torch.stack([log.new_zeros(()) if g is None else g.flatten()[0] for g in found])
            total += log.exp() * torch.outer(gradient, gradient) / len(images)
    values = torch.linalg.eigvalsh(total.detach()).clamp_min(0).numpy()
    deciles = np.quantile(values, np.arange(1, 10) / 10)
    shares = deciles / deciles.sum()
    return float(-(shares * np.log(np.maximum(shares, 1e-300))).sum())

"""Encoder, decoder and losses against formulas written out."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn import functional

import uninas_bench as ub
from tests.plugins.arch2vec.toy import small
from uninas_bench_plugins._arch2vec.encodings import known_encoding, learned_encoding
from uninas_bench_plugins._arch2vec.graphs import PADDING, Graphs
from uninas_bench_plugins._arch2vec.losses import divergence, edge_loss, operation_loss, total_loss
from uninas_bench_plugins._arch2vec.networks import GraphAutoencoder, GraphLayer, batch_of


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cells(count=6, seed=0):
    space = ub.space("nasbench201")
    encoding = known_encoding(space, (), 0)
    return encoding, encoding.encode_all(space.sample(count, np.random.default_rng(seed)))


def blocks(count=3):
    space = ub.space("uninas").scaled(depths="1:1:1:1", widths="32:64:96:128")
    architectures = space.sample(count, np.random.default_rng(0))
    encoding = learned_encoding(space, architectures, 96)
    return encoding, encoding.encode_all(architectures)


def network(encoding, seed=0, **changes):
    made = GraphAutoencoder(encoding, small(**changes), torch.Generator().manual_seed(seed)).double()
    with torch.no_grad():
        for name, value in made.named_parameters():
            if name.endswith("eps"):
                value.add_(0.1)
    for name, value in made.named_buffers():
        if name.endswith("running_mean"):
            value.add_(0.05)
    return made


def double(batch):
    return dataclasses.replace(batch, adjacency=batch.adjacency.double())


def encode(made, batch):
    return made.encoder(double(batch))


def test_a_layer_is_a_graph_isomorphism_layer_written_out():
    _, graphs = cells(2)
    batch = double(batch_of(graphs, slice(None)))
    layer = GraphLayer(5, 7, 0.0).double().eval()
    with torch.no_grad():
        for number, value in enumerate(layer.parameters()):
            value.copy_(normal(*value.shape, seed=number))
    rows = normal(16, 5)
    neighbours = batch.adjacency + batch.adjacency.transpose(1, 2)
    found = layer(rows, batch, neighbours)
    for graph in range(2):
        for node in range(8):
            own = rows[8 * graph + node]
            summed = (1 + layer.eps) * own
            for other in range(8):
                if graphs.adjacency[graph, node, other] or graphs.adjacency[graph, other, node]:
                    summed = summed + rows[8 * graph + other]
            expected = torch.relu(layer.norm(layer.mlp(summed[None])))[0]
            assert torch.allclose(found[8 * graph + node], expected)


@pytest.mark.parametrize("train", [True, False])
def test_renumbered_nodes_give_renumbered_latents(train):
    encoding, graphs = cells()
    made = network(encoding).train(train)
    order = np.random.default_rng(0).permutation(8)
    both = graphs.adjacency | graphs.adjacency.transpose(0, 2, 1)
    moved = Graphs(graphs.operations[:, order], np.triu(both[:, order][:, :, order]))
    mean, log_std = encode(made, batch_of(graphs, slice(None)))
    others = encode(made, batch_of(moved, slice(None)))
    for before, after in zip((mean, log_std), others, strict=True):
        assert torch.allclose(before.view(-1, 8, 8)[:, order], after.view(-1, 8, 8))
    assert mean.std() > 0.01


def test_an_encoder_of_one_layer_sees_neighbours_alone():
    """And each layer more sees one edge farther: the input does not reach the output of a long chain."""
    encoding = known_encoding(ub.space("mbconv"), (), 0)
    graphs = encoding.encode_all(ub.space("mbconv").sample(2, np.random.default_rng(0)))
    for hops in (2, 5):
        made = network(encoding, hops=hops).eval()
        changed = Graphs(graphs.operations.copy(), graphs.adjacency)
        changed.operations[:, 3] = 1 + changed.operations[:, 3] % 4
        before = encode(made, batch_of(graphs, slice(None)))[0]
        after = encode(made, batch_of(changed, slice(None)))[0]
        moved = (before != after).view(2, 20, -1).any(2).any(0).nonzero().flatten().tolist()
        assert moved
        assert min(moved) >= 3 - (hops - 1)
        assert max(moved) == 3 + (hops - 1)


def test_padding_changes_nothing():
    """Not latents, not losses, not gradients, in training where norms and means are over the batch."""
    encoding, graphs = blocks()
    made = network(encoding).train()
    cropped = batch_of(graphs, slice(None))
    wide = 9
    padded = dataclasses.replace(
        cropped,
        there=functional.pad(cropped.there, (0, wide)),
        adjacency=functional.pad(cropped.adjacency, (0, wide, 0, wide)),
    )
    made.encoder.places += wide
    first = made.encoder.layers[0].mlp[0]
    weight = torch.cat([first.weight.data, normal(16, wide)], 1)
    first.weight = torch.nn.Parameter(weight)
    results = []
    for batch in (double(cropped), double(padded)):
        made.zero_grad()
        mean, log_std = encode(made, batch)
        latents = mean + 0.1 * normal(*mean.shape)
        operations, edges = made.decoder(batch.scattered(latents))
        loss = total_loss(batch.gathered(operations), edges, mean, log_std, batch, small())
        loss.backward()
        results.append([mean.detach(), loss.detach(), *(p.grad for p in made.parameters())])
    for one, other in zip(*results, strict=True):
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-13)


def test_a_graph_is_encoded_the_same_in_any_company():
    encoding, graphs = blocks()
    made = network(encoding).eval()
    lengths = (graphs.operations != PADDING).sum(1)
    assert len(set(lengths.tolist())) > 3
    together = batch_of(graphs, slice(None))
    latents = together.scattered(encode(made, together)[0])
    for number, length in enumerate(lengths):
        alone = batch_of(graphs, slice(number, number + 1))
        assert alone.there.shape == (1, length)
        assert torch.allclose(encode(made, alone)[0], latents[number, :length])
        assert not latents[number, length:].any()


def test_layers_begin_with_the_eps_that_is_asked_for():
    encoding, _ = cells()
    made = GraphAutoencoder(encoding, small(eps=1.5), torch.Generator())
    assert [layer.eps.item() for layer in made.encoder.layers] == [1.5] * 4
    assert all(layer.eps.requires_grad for layer in made.encoder.layers)


def test_edges_are_products_of_latents():
    encoding, _ = cells()
    made = network(encoding)
    latents = normal(2, 8, 8)
    operations, edges = made.decoder(latents)
    assert operations.shape == (2, 8, 7)
    for i, j in ((0, 3), (5, 2), (4, 4)):
        assert torch.isclose(edges[1, i, j], latents[1, i] @ latents[1, j])
    assert torch.allclose(made.decoder(latents[:, [1, 0]])[0], operations[:, [1, 0]])


def test_the_divergence_is_that_of_normal_distributions():
    mean, log_std = normal(5, 3), normal(5, 3, seed=1)
    by_definition = kl_divergence(Normal(mean, log_std.exp()), Normal(0.0, 1.0)).sum(1).mean()
    assert torch.isclose(divergence(mean, log_std), by_definition)
    assert divergence(torch.zeros(2, 3), torch.zeros(2, 3)) == 0


def test_losses_are_those_of_the_released_code():
    """Its own formulas: probabilities, the upper triangle of both sides, means of all entries."""
    _, graphs = cells(4)
    batch = double(batch_of(graphs, slice(None)))
    logits, edges = normal(32, 7), normal(4, 8, 8, seed=1)
    mean, log_std = normal(32, 16, seed=2), 0.3 * normal(32, 16, seed=3)
    wanted = functional.one_hot(torch.from_numpy(graphs.operations), 7).double()
    of_operations = functional.binary_cross_entropy(logits.sigmoid().view(4, 8, 7), wanted)
    of_edges = functional.binary_cross_entropy(edges.sigmoid().triu(1), batch.adjacency)
    square, terms = log_std.exp().pow(2), 1 + 2 * log_std - mean.pow(2)
    apart = -0.5 / (4 * 8) * (terms - square).view(4, 8, 16).sum(2).mean()
    assert torch.isclose(operation_loss(logits, batch, small()), of_operations)
    assert torch.isclose(edge_loss(edges, batch, small()), of_edges)
    total = total_loss(logits, edges, mean, log_std, batch, small())
    heavier = total_loss(logits, edges, mean, log_std, batch, small(kl=3.0))
    assert torch.isclose(total, of_operations + of_edges + apart)
    assert torch.isclose(heavier - total, 2 * apart)


def test_other_losses_written_out():
    _, graphs = cells(3)
    batch = double(batch_of(graphs, slice(None)))
    logits, edges = normal(24, 7), normal(3, 8, 8, seed=1)
    chances = logits.softmax(1)[torch.arange(24), torch.from_numpy(graphs.operations).flatten()]
    rows, columns = torch.triu_indices(8, 8, 1)
    chosen = edges[:, rows, columns].sigmoid()
    there = batch.adjacency[:, rows, columns]
    upper = -(there * chosen.log() + (1 - there) * (1 - chosen).log()).mean()
    softmax = operation_loss(logits, batch, small(activation="softmax"))
    triangle = edge_loss(edges, batch, small(adjacency="triangle"))
    diluted = edge_loss(edges, batch, small())
    assert edge_loss(edges, batch, small(adjacency="fixed")) == 0
    assert torch.isclose(softmax, -chances.log().mean())
    assert torch.isclose(triangle, upper)
    assert torch.isclose(diluted, upper * 28 / 64)


def test_weights_come_from_the_generator_alone():
    encoding, _ = cells()
    before = torch.get_rng_state()
    one, same, other = (
        GraphAutoencoder(encoding, small(), torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), before)
    weights = [made.encoder.mean.weight for made in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert all(torch.isfinite(value).all() for value in one.state_dict().values())
    # As torch draws those of a linear layer: uniformly up to one over the root of its inputs.
    wide = GraphAutoencoder(encoding, small(width=400), torch.Generator().manual_seed(0))
    drawn = wide.encoder.layers[1].mlp[0].weight
    assert drawn.abs().max() <= 0.05
    assert drawn.std().item() == pytest.approx(0.05 / 3**0.5, rel=0.01)

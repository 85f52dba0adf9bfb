"""Encoder and decoder of the variational graph isomorphism autoencoder.

Source: arch2vec, equations 1 to 4, with the encoder's layers from Xu et al., "How Powerful are Graph Neural
Networks?", ICLR 2019. Nodes of all graphs of a batch lie in one matrix, padding in none.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from uninas_bench_plugins._arch2vec.graphs import PADDING, GraphEncoding, Graphs
from uninas_bench_plugins._arch2vec.settings import AutoencoderSettings


@dataclass(frozen=True)
class Batch:
    """B graphs of at most N nodes, V nodes in all.

    Attributes:
        operations: (V,), of the nodes, graph by graph.
        there: (B, N), which places have a node.
        adjacency: (B, N, N) of 0 and 1.
    """

    operations: Tensor
    there: Tensor
    adjacency: Tensor

    def scattered(self, rows: Tensor) -> Tensor:
        """(V, F) of the nodes as (B, N, F), zeros where there is none."""
        if len(rows) == self.there.numel():
            return rows.view(*self.there.shape, rows.shape[1])
        full = rows.new_zeros(*self.there.shape, rows.shape[1])
        full[self.there] = rows
        return full

    def gathered(self, full: Tensor) -> Tensor:
        """(B, N, F) as (V, F): the inverse."""
        if len(self.operations) == self.there.numel():
            return full.reshape(-1, full.shape[2])
        return full[self.there]


def batch_of(graphs: Graphs, chosen: NDArray[np.int64] | slice) -> Batch:
    """Some of the graphs, without the places that none of them has a node in."""
    operations = graphs.operations[chosen]
    longest = int((operations != PADDING).sum(1).max())
    operations = operations[:, :longest]
    adjacency = graphs.adjacency[chosen, :longest, :longest]
    there = torch.from_numpy(operations != PADDING)
    return Batch(torch.from_numpy(operations)[there], there, torch.from_numpy(adjacency).float())


class GraphLayer(nn.Module):
    """relu(norm(mlp((1 + eps) h_v + sum of h_u over neighbours u)))."""

    def __init__(self, features: int, width: int, eps: float) -> None:
        super().__init__()
        self.eps = nn.Parameter(torch.tensor(eps))
        self.mlp = nn.Sequential(
            _linear(features, width), nn.BatchNorm1d(width), nn.ReLU(inplace=True), _linear(width, width)
        )
        self.norm = nn.BatchNorm1d(width)

    def forward(self, rows: Tensor, batch: Batch, neighbours: Tensor) -> Tensor:
        """(V, features) -> (V, width); ``neighbours`` is (B, N, N) and symmetric."""
        received = batch.gathered(neighbours @ batch.scattered(rows))
        return functional.relu(self.norm(self.mlp((1 + self.eps) * rows + received)))


class Encoder(nn.Module):
    """Graphs to mean and log of the standard deviation of each node's latent."""

    def __init__(self, encoding: GraphEncoding, settings: AutoencoderSettings) -> None:
        super().__init__()
        self.kinds = len(encoding.names)
        self.places = encoding.nodes if encoding.positional else 0
        features = [self.kinds + self.places] + [settings.width] * (settings.hops - 1)
        self.layers = nn.ModuleList(
            GraphLayer(before, after, settings.eps) for before, after in pairwise(features)
        )
        self.mean = _linear(settings.width, settings.latent)
        self.log_std = _linear(settings.width, settings.latent)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Two of (V, latent)."""
        rows = functional.one_hot(batch.operations, self.kinds).to(batch.adjacency)
        if self.places:
            numbers = torch.arange(batch.there.shape[1]).expand(batch.there.shape)[batch.there]
            rows = torch.cat([rows, functional.one_hot(numbers, self.places).to(rows)], 1)
        neighbours = batch.adjacency + batch.adjacency.transpose(1, 2)
        for layer in self.layers:
            rows = layer(rows, batch, neighbours)
        return self.mean(rows), self.log_std(rows)


class Decoder(nn.Module):
    """Latents of nodes to logits of their operations, and products of theirs to logits of edges."""

    def __init__(self, encoding: GraphEncoding, settings: AutoencoderSettings) -> None:
        super().__init__()
        self.operations = _linear(settings.latent, len(encoding.names))

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N, latent) -> (B, N, operations) and (B, N, N)."""
        return self.operations(latents), latents @ latents.transpose(1, 2)


class GraphAutoencoder(nn.Module):
    """Both.

    Args:
        encoding: of the graphs.
        settings: widths and depths.
        generator: draws the weights.
    """

    def __init__(
        self, encoding: GraphEncoding, settings: AutoencoderSettings, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.encoder = Encoder(encoding, settings)
        self.decoder = Decoder(encoding, settings)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                # As a layer draws them by itself, from a generator that nobody could choose.
                bound = module.in_features**-0.5
                nn.init.uniform_(module.weight, -bound, bound, generator=generator)
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)


def _linear(features: int, out: int) -> nn.Linear:
    """A layer whose weights are still to be drawn."""
    made: nn.Linear = nn.utils.skip_init(nn.Linear, features, out)  # type: ignore[no-untyped-call]
    return made

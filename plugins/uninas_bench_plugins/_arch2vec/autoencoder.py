"""A trained autoencoder: architectures to latents and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from uninas_bench import Architecture
from uninas_bench_plugins._arch2vec.graphs import GraphEncoding, Graphs, Rule
from uninas_bench_plugins._arch2vec.networks import GraphAutoencoder, batch_of
from uninas_bench_plugins._arch2vec.settings import AutoencoderSettings

CHUNK = 512
"""Graphs that are encoded or decoded at once."""


class Autoencoder:
    """Encodes and decodes architectures of one space; it does not change any more.

    A latent is the means of all nodes of all graphs one after the other: ``graphs * nodes * latent`` numbers,
    zeros where a graph has no node. UP-NAS flattens them so; arch2vec itself averages over the nodes.

    Attributes:
        encoding: of the space.
        settings: that it was trained by.
        size: how many numbers a latent has.
        prior: mean and standard deviation (size,) of the latents that it was trained on, each number's over
            the graphs that have the node.
    """

    def __init__(
        self,
        encoding: GraphEncoding,
        settings: AutoencoderSettings,
        network: GraphAutoencoder,
        prior: tuple[Tensor, Tensor],
    ) -> None:
        self.encoding = encoding
        self.settings = settings
        self.size = encoding.graphs * encoding.nodes * settings.latent
        self.prior = prior
        self._network = network.eval().requires_grad_(False)

    def encode(self, architectures: Sequence[Architecture]) -> Tensor:
        """Latents (n, size), on the CPU.

        Raises:
            NotApplicable: one of them has no graph; see `GraphEncoding.encode`.
        """
        if not architectures:
            return torch.zeros(0, self.size)
        return latents_of(self._network, self.encoding.encode_all(architectures), self.encoding)

    def decode(self, latents: Tensor, rule: Rule = "operations") -> list[Architecture | None]:
        """The architectures of latents (n, size); None where a graph is not valid by the rule."""
        return [
            self.encoding.decode(graphs.operations, graphs.adjacency, rule) for graphs in self.graphs(latents)
        ]

    def graphs(self, latents: Tensor) -> Iterator[Graphs]:
        """What each of the latents (n, size) is decoded to, valid or not; operations are (graphs, N)."""
        per = max(1, CHUNK // self.encoding.graphs)
        for start in range(0, len(latents), per):
            decoded = self._decoded(latents[start : start + per])
            for operations, adjacency in zip(decoded.operations, decoded.adjacency, strict=True):
                yield Graphs(operations, adjacency)

    @torch.no_grad()
    def _decoded(self, latents: Tensor) -> Graphs:
        graphs, nodes = self.encoding.graphs, self.encoding.nodes
        logits, edges = self._network.decoder(latents.float().reshape(-1, nodes, self.settings.latent))
        operations = logits.argmax(2).view(-1, graphs, nodes).numpy()
        if self.settings.adjacency == "fixed":
            assert self.encoding.edges is not None
            return Graphs(operations, np.broadcast_to(self.encoding.edges, (*operations.shape, nodes)))
        # A sigmoid above one half.
        adjacency: NDArray[np.bool_] = (edges > 0).triu(1).view(-1, graphs, nodes, nodes).numpy()
        return Graphs(operations, adjacency)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Latents (count, size) from the normal distribution with the mean and deviation of each number."""
        mean, std = self.prior
        return mean + std * torch.randn(count, self.size, generator=generator)


@torch.no_grad()
def latents_of(network: GraphAutoencoder, graphs: Graphs, encoding: GraphEncoding) -> Tensor:
    """Latents (n, graphs * nodes * latent) of graphs (n * graphs, N); the network is in evaluation."""
    latents = torch.zeros(len(graphs), encoding.nodes, network.encoder.mean.out_features)
    for start in range(0, len(graphs), CHUNK):
        batch = batch_of(graphs, slice(start, start + CHUNK))
        mean, _ = network.encoder(batch)
        latents[start : start + CHUNK, : batch.there.shape[1]] = batch.scattered(mean)
    return latents.view(len(graphs) // encoding.graphs, -1)

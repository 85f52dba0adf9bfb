"""Small networks of every kind, each with a method `features` that says what an extractor should find."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

CLASSES = 10


def made(build, seed=0):
    """A network whose weights come from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


class LinearModel(nn.Module):
    """Patches of 4 x 4 and nothing else: with a linear head, a linear function of the pixels."""

    def __init__(self, width=48) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, stride=4)
        self.classifier = nn.Linear(width, CLASSES)

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.patches(images)
        return maps, maps.mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.patches(images).mean((2, 3)))


class SmallCNN(nn.Module):
    """Three convolutions with batch norms, a pooling module."""

    def __init__(self, width=16) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for number in range(3):
            layers += [
                nn.Conv2d(channels, width << number, 3, stride=1 + (number > 0), padding=1, bias=False),
                nn.BatchNorm2d(width << number),
                nn.ReLU(inplace=True),
            ]
            channels = width << number
        self.body = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, CLASSES)

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.body(images)
        return maps, maps.mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.pool(self.body(images)).flatten(1))


class ResidualCNN(nn.Module):
    """A shared ReLU that runs thrice, squeeze and excitation by linear maps, pooling by a function."""

    def __init__(self, width=12) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.squeeze, self.excite = nn.Linear(width, 4), nn.Linear(4, width)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(width, CLASSES)

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.relu(self.stem(images))
        y = self.relu(self.norm(self.conv1(x)))
        gate = self.excite(self.squeeze(y.mean((2, 3)))).sigmoid()
        maps = self.relu(x + y * gate[:, :, None, None])
        return maps, maps.mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        maps, _ = self.features(images)
        pooled = functional.adaptive_avg_pool2d(maps, 1).flatten(1)
        return self.classifier(self.dropout(pooled))


class Transformer(nn.Module):
    """Patches of 8 x 8, extra tokens at some place, attention; read off the class token or the patches' mean.

    Attributes:
        extra: tokens that are no patches.
        middle: they stand in the middle of the sequence, as Vision Mamba has it.
    """

    def __init__(self, width=24, extra=1, *, middle=False, side=32) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 8, stride=8)
        self.tokens = nn.Parameter(torch.randn(1, extra, width))
        self.positions = nn.Parameter(0.1 * torch.randn(1, (side // 8) ** 2, width))
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, CLASSES)
        self.extra, self.use_middle_cls_token = extra, middle

    def tokens_of(self, images: Tensor) -> tuple[Tensor, int]:
        patches = self.patches(images).flatten(2).transpose(1, 2) + self.positions
        half = patches.shape[1] // 2 if self.use_middle_cls_token else 0
        extra = self.tokens.expand(len(images), -1, -1)
        x = torch.cat([patches[:, :half], extra, patches[:, half:]], dim=1)
        normed = self.norm1(x)
        x = x + self.attention(normed, normed, normed, need_weights=False)[0]
        return self.norm(x + self.mlp(self.norm2(x))), half

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x, half = self.tokens_of(images)
        spots = torch.cat([x[:, :half], x[:, half + self.extra :]], dim=1)
        side = int(spots.shape[1] ** 0.5)
        maps = spots.transpose(1, 2).reshape(len(images), -1, side, side)
        return maps, x[:, half] if self.extra else x.mean(1)

    def forward(self, images: Tensor) -> Tensor:
        x, half = self.tokens_of(images)
        return self.head(x[:, half] if self.extra else x.mean(1))


class Mixer(nn.Module):
    """A token mixer that keeps its tokens last and pools them with a one-dimensional pooling."""

    def __init__(self, width=20) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, stride=4)
        self.mix = nn.Linear(64, 64)
        self.channels = nn.Conv1d(width, width, 1)
        self.pool = nn.AdaptiveAvgPool1d(1)
        self.head = nn.Linear(width, CLASSES)

    def tokens_of(self, images: Tensor) -> Tensor:
        x = self.patches(images).flatten(2)
        x = x + self.mix(x).relu()
        return x + self.channels(x).relu()

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.tokens_of(images)
        return x.unflatten(2, (8, 8)), x.mean(2)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.pool(self.tokens_of(images)).flatten(1))


class ChannelsLast(nn.Module):
    """Channels behind the places from the stem on, as Swin and VMamba have them; as many as rows."""

    def __init__(self, width=8) -> None:
        super().__init__()
        self.stem = nn.Linear(48, width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, CLASSES)

    def maps(self, images: Tensor) -> Tensor:
        n, _, h, w = images.shape
        x = images.reshape(n, 3, h // 4, 4, w // 4, 4).permute(0, 2, 4, 1, 3, 5).flatten(3)
        return self.norm(self.stem(x).relu())

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.maps(images)
        return x.permute(0, 3, 1, 2), x.mean((1, 2))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.maps(images).mean((1, 2)))


class Scan(nn.Module):
    """A state-space layer over patches, computed step by step; the class token is in the middle."""

    use_middle_cls_token = True

    def __init__(self, width=16) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 8, stride=8)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.gate, self.put = nn.Linear(width, width), nn.Linear(width, width)
        self.norm_f = nn.LayerNorm(width)
        self.head = nn.Linear(width, CLASSES)

    def tokens_of(self, images: Tensor) -> Tensor:
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = torch.cat([x[:, :8], self.token.expand(len(x), -1, -1), x[:, 8:]], dim=1)
        state, states = torch.zeros_like(x[:, 0]), []
        keep, put = self.gate(x).sigmoid(), self.put(x)
        for t in range(x.shape[1]):
            state = keep[:, t] * state + put[:, t]
            states.append(state)
        return self.norm_f(x + torch.stack(states, dim=1))

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.tokens_of(images)
        maps = torch.cat([x[:, :8], x[:, 9:]], dim=1).transpose(1, 2).reshape(len(x), -1, 4, 4)
        return maps, x[:, 8]

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.tokens_of(images)[:, 8])


class Viewing(SmallCNN):
    """Flattens its map by a view, which channels-last tensors do not allow."""

    def __init__(self) -> None:
        super().__init__(4)
        self.classifier = nn.Linear(16 * 64, CLASSES)

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.body(images)
        return maps, maps.reshape(len(maps), -1)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.body(images)
        return self.classifier(maps.view(len(maps), -1))


class NormAfterPooling(SmallCNN):
    """A norm between pooling and classifier that sees the vector as a map of one place, channels last."""

    def __init__(self) -> None:
        super().__init__(4)
        self.norm = nn.LayerNorm(16)

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.body(images)
        return maps, self.norm(maps.mean((2, 3)))

    def forward(self, images: Tensor) -> Tensor:
        pooled = self.pool(self.body(images)).permute(0, 2, 3, 1)
        return self.classifier(self.norm(pooled).permute(0, 3, 1, 2).flatten(1))


class Timmish(SmallCNN):
    """Has `forward_features`, and after it a head that makes maps again."""

    def forward_features(self, images: Tensor) -> Tensor:
        return self.body(images)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.forward_features(images)
        pooled = maps.mean((2, 3))
        logits = self.classifier(pooled)
        return logits + 0.1 * (maps * 2).amax((1, 2, 3))[:, None]


class Perceptron(nn.Module):
    """No places at all."""

    def __init__(self, width=24) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, width), nn.ReLU())
        self.head = nn.Linear(width, CLASSES)

    def features(self, images: Tensor) -> tuple[None, Tensor]:
        return None, self.layers(images)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.layers(images))


KINDS = {
    "linear": LinearModel,
    "cnn": SmallCNN,
    "residual": ResidualCNN,
    "transformer": Transformer,
    "registers": lambda: Transformer(extra=5),
    "no class token": lambda: Transformer(extra=0),
    "class token in the middle": lambda: Transformer(middle=True),
    "mixer": Mixer,
    "channels last": ChannelsLast,
    "scan": Scan,
    "view": Viewing,
    "norm after pooling": NormAfterPooling,
    "forward_features": Timmish,
    "perceptron": Perceptron,
}

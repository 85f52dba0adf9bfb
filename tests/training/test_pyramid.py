import pytest
import torch
from torch.nn import functional

from uninas_bench.training.networks.pyramid import completed, cut, padded, resampled


def test_padding_is_at_the_right_and_at_the_bottom() -> None:
    images = torch.ones(1, 3, 5, 8)
    whole = padded(images, 4)
    assert whole.shape == (1, 3, 8, 8)
    assert torch.equal(whole[..., :5, :], images)
    assert not whole[..., 5:, :].any()
    assert padded(images[..., :4, :], 4).shape == (1, 3, 4, 8)


def test_what_belongs_to_the_image_is_cut_out() -> None:
    maps = [torch.arange(64.0).reshape(1, 1, 8, 8), torch.arange(16.0).reshape(1, 1, 4, 4)]
    first, second = cut(maps, (1, 2), (5, 7))
    assert torch.equal(first, maps[0][..., :5, :7])
    assert torch.equal(second, maps[1][..., :3, :4])


def test_missing_levels_are_maxima_of_the_last() -> None:
    last = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])[None, None]
    maps = completed([torch.zeros(1, 1, 6, 6), last])
    assert len(maps) == 4
    assert maps[1] is last
    assert maps[2].tolist() == [[[[5, 6], [8, 9]]]]
    assert maps[3].tolist() == [[[[9]]]]


@pytest.mark.parametrize(("stride", "size"), [(16, (64, 96)), (14, (70, 98)), (32, (64, 64))])
def test_maps_of_one_resolution_become_four(stride: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    maps = [torch.randn(2, 3, size[0] // stride, size[1] // stride) for _ in range(4)]
    found = resampled(maps, size)
    for values, reduction in zip(found, (4, 8, 16, 32), strict=True):
        assert values.shape == (2, 3, -(-size[0] // reduction), -(-size[1] // reduction))
    if stride == 16:
        assert found[2] is maps[2]
        assert torch.equal(found[3], functional.max_pool2d(maps[3], 2))
        expected = functional.interpolate(maps[1], scale_factor=2, mode="bilinear")
        torch.testing.assert_close(found[1], expected)

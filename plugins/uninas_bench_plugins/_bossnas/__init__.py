"""BossNAS: a weight-sharing supernet trained block by block without labels, and its rating of architectures.

`plan` says which paths the blocks of a space have, `supernet` how to run them; `size_*` and `slimmable` are
those of the size space, `hytra_*` and `mbconv_*` of the others, `spaces` finds them. The algorithm knows no
space: `views`, `heads`, `lars` and `schedules` are its parts, `objectives` the losses it can be trained by,
`training` the stages, `traversal` and `rating` the distances to the population's centre, `table` what is left
of a fit, `checkpoint` its files.

Source: Li et al., "BossNAS: Exploring Hybrid CNN-transformers with Block-wisely Self-supervised Neural
Architecture Search", ICCV 2021.
"""

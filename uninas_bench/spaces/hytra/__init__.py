"""The HyTra space: hybrids of convolutions and transformers, paths through a fabric of four resolutions.

Source: Li et al., "BossNAS: Exploring Hybrid CNN-transformers with Block-wisely Self-supervised Neural
Architecture Search", ICCV 2021, arXiv 2103.12424.

`fabric` says which paths are legal and numbers them, `encoding` how they are written, `macro` where each
block stands, `costs` what it costs, `modules` and `network` make modules of it.
"""

"""The MBConv space of DNA and BossNAS: inverted residuals of two expansions and two kernels, 4^18 networks.

Source: Li et al., "Block-wisely Supervised Neural Architecture Search with Knowledge Distillation" (DNA),
CVPR 2020; Li et al., "BossNAS", ICCV 2021, section 5.2.
"""

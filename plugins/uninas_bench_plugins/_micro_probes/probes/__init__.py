"""The six tasks.

`probe` is their contract, `labels` what those share that name a label; `images`, `streams`, `scenes`,
`shapes` and `glyphs` are what they are made of; `jigsaw`, `inpainting`, `rotation`, `binding`, `motion` and
`memory` are the six; `catalogue` has their names.
"""

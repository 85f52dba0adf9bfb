"""Six vision micro-probes: small tasks that any network is trained on for seconds, and how well it then does.

`probe` is the contract of a task; `images`, `streams`, `scenes`, `shapes` and `glyphs` are what tasks are made
of; `jigsaw`, `inpainting`, `rotation`, `binding`, `motion` and `memory` are the six; `catalogue` knows them by
name; `answers`, `panels` and `sheet` draw them.

Source: the note on TF-NAS, "Vision-Oriented Lightweight Neural Architecture Search with Budget-Adaptive
Evaluation", CVPR 2026, whose authors have published neither code nor supplement. The scores are the note's
formulas to the letter; all that it leaves open is ours, and said to be so where it is decided.
"""

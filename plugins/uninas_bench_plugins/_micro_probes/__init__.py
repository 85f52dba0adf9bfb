"""Six vision micro-probes: small tasks that any network is trained on for seconds, and how well it then does.

The tasks: `probe` is their contract; `images`, `streams`, `scenes`, `shapes` and `glyphs` are what they are
made of; `jigsaw`, `inpainting`, `rotation`, `binding`, `motion` and `memory` are the six, `catalogue` knows
them by name; `answers`, `panels` and `sheet` draw them.

The trainings: `extraction` finds a network's features, `heads` what answers a task from them, `training` has
the recipe; `evaluation` puts them together, `standardising` makes one score of six.

The budgets: `bench` scores pilots and `quality` says how well they are ranked; `surface` is fitted to that,
`spending` to what it costs; `optimum` knows what is best within a limit, `choosing` whether to believe it.
`planning` does all of it, `ablation` asks whether it was worth it; `plan_file`, `plan_figure` and `plan_text`
show it.

The commands are `commands` and the modules that it names; `asking` has what several of them ask for.

Source: the note on TF-NAS, "Vision-Oriented Lightweight Neural Architecture Search with Budget-Adaptive
Evaluation", CVPR 2026, whose authors have published neither code nor supplement. The scores are the note's
formulas to the letter; all that it leaves open is ours, and said to be so where it is decided.
"""

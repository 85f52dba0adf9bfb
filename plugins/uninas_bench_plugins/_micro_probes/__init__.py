"""Six vision micro-probes: small tasks that any network is trained on for seconds, and how well it then does.

- `probes`: the six tasks, their examples, losses, scores and trivial levels.
- `networks`: a network's features, and the heads that answer a task from them.
- `training` has the recipe, `evaluation` puts it all together, `standardising` makes one score of six, and
  `subsets` ranks by some of them.
- `budget`: how much data and how many epochs a limit of time should go into.
- `pictures` and `commands`: what is seen of it.

Source: the note on TF-NAS, "Vision-Oriented Lightweight Neural Architecture Search with Budget-Adaptive
Evaluation", CVPR 2026, whose authors have published neither code nor supplement. The scores are the note's
formulas to the letter; all that it leaves open is ours, and said to be so where it is decided.
"""

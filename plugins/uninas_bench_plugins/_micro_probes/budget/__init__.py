"""How much data and how many epochs a limit of time should go into.

`bench` scores pilots and `quality` says how well they are ranked; `surface` is fitted to that, `spending` to
what it costs; `optimum` knows what is best within a limit, `choosing` whether to believe it. `planning` does
all of it, `ablation` asks whether it was worth it; `plan_file`, `plan_figure` and `plan_text` show it.
"""

"""What must lie in the wheel: three typed packages, the embedded table with its scores, the licence."""

from __future__ import annotations

from importlib import metadata, resources

FILES = (
    "uninas_bench/py.typed",
    "uninas_bench_plugins/py.typed",
    "uninas_bench_tables/py.typed",
    "uninas_bench/scaffold/templates/module.py.jinja",
    "uninas_bench_tables/README.md",
    "uninas_bench_tables/ground_truth/nasbench201-mnist-hard.csv.gz",
    "uninas_bench_tables/scores/nasbench201-mnist-hard.csv.gz",
    "uninas_bench_tables/baselines/nasbench201-mnist-hard.json",
)

for file in FILES:
    package, _, path = file.partition("/")
    found = resources.files(package).joinpath(path)
    if not found.is_file():
        raise SystemExit(f"the wheel lacks {file}")
names = [str(file) for file in metadata.files("uninas-bench") or ()]
if not any(name.endswith("licenses/LICENSE") for name in names):
    raise SystemExit("the wheel lacks its licence")
stray = [name for name in names if name.startswith(("tests/", "docs/", "plugins/", "tables/"))]
if stray:
    raise SystemExit(f"the wheel would install {stray[0]} at the top level")

"""``python -m uninas_bench`` is ``uninas-bench``."""

from __future__ import annotations

from uninas_bench.cli import main

if __name__ == "__main__":
    main()

"""The commands of `uninas-bench probes`, which `group` loads on demand; `asking` has what several ask for."""

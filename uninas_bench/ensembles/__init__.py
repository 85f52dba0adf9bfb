"""Ensembles: several proxies' scores as one, computed when it is asked for and never stored."""

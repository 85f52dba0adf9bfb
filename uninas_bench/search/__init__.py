"""Search a space with a proxy: strategies, selection, the file of candidates."""

"""The UniNAS space: blocks are arbitrary typed graphs of elementary operations.

Source: Tybl and Neumann, "Universal Neural Architecture Space", arXiv 2510.06035.

`operations` and `graph` say what a block is, `notation` and `encoding` how it is written, `costs` what it
costs, `walk` how to go from one network to the next, `network` and `compiling` make modules of it, and
`toolkit_json` speaks the file format of the authors' package.
"""

from uninas_bench.spaces.uninas.toolkit_json import read_json, write_json

__all__ = ["read_json", "write_json"]

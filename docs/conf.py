"""How Sphinx builds these pages: `tox -e docs`, without any request to the network."""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

from uninas_bench.version import __version__

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "uninas-bench"
author = "the authors of uninas-bench"
project_copyright = author
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "mathml",
    "links_to_files",
    "proxy_list",
    "public_names",
    "store_schema",
]
exclude_patterns = ["_ext", "_build"]
root_doc = "index"
# In docstrings, `name` is a name of the code.
default_role = "code"

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
autodoc_use_type_comments = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = f"uninas-bench {release}"
html_show_sphinx = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
pygments_style = "tango"
pygments_dark_style = "monokai"


def _without_hidden(_app: Sphinx, _context: object, lines: list[str]) -> None:
    """An argument with an empty metavar is not shown by the command, so not here either."""
    while ".. option:: " in lines:
        start = lines.index(".. option:: ")
        end = next((i for i in range(start + 1, len(lines)) if lines[i].startswith("..")), len(lines))
        del lines[start:end]


def setup(app: Sphinx) -> None:
    """What no extension does."""
    app.connect("sphinx-click-process-arguments", _without_hidden)

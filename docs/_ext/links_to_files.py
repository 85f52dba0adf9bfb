"""Links from a page to a file or folder of the repository that is no page become plain text with its path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx


def _replace(app: Sphinx, document: nodes.document) -> None:
    folder = Path(app.env.doc2path(app.env.docname)).parent
    for node in list(document.findall(addnodes.download_reference)) + list(
        document.findall(addnodes.pending_xref)
    ):
        target = str(node.get("reftarget", ""))
        path = (folder / target.partition("#")[0]).resolve()
        outside = not path.is_relative_to(Path(app.srcdir)) or path.is_dir()
        if target and "://" not in target and path.exists() and outside:
            node.replace_self(nodes.inline("", "", *node.children))


def setup(app: Sphinx) -> dict[str, Any]:
    """Look at every page once it is read."""
    app.connect("doctree-read", _replace)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

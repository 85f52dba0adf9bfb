"""The page as text: templates, style and script of the package, put into one file."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from markupsafe import Markup

from uninas_bench.report.page.model import Page
from uninas_bench.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

_DARK = """@media screen and (prefers-color-scheme: dark) {{
  :root:not(:has(#theme-light:checked)) {{ {0} }}
}}
@media screen {{ :root:has(#theme-dark:checked) {{ {0} }} }}
"""
"""On paper it is always light."""


def page_html(page: Page) -> str:
    """One file: it asks nothing of any other, and every text of the view is escaped."""
    script = _read("script.js")
    # Of what stands between the tags, as browsers count it.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    raw = {"style": Markup(_style()), "script": Markup(script)}  # noqa: S704 - files of this package
    text = _environment().get_template("page.html.jinja").render(
        page=page, version=__version__, script_hash=digest, **raw
    )  # fmt: skip
    return text.strip() + "\n"


def _style() -> str:
    """Light colours, dark ones where the reader or the system wants them, and the rest."""
    dark = " ".join(_read("dark.css").split())
    return _read("style.css").replace("/* DARK */", _DARK.format(dark))


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("uninas_bench.report.page"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )


def _read(name: str) -> str:
    return (resources.files("uninas_bench.report.page") / "templates" / name).read_text(encoding="utf-8")

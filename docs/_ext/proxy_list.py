"""``{proxy} NAME``: what the installed proxy says of itself, under its formula on the page of proxies."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from uninas_bench.host import default_host


class Facts(SphinxDirective):
    """Version, components, needs, default settings and reference of one proxy."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """A definition list made from the registered object."""
        host = default_host()
        proxy = host.proxy(self.arguments[0])
        facts = {
            "components": ", ".join(proxy.components) or f"those of {', '.join(proxy.requires)}",
            "sees": ", ".join(sorted(proxy.needs)) or "neither images nor labels",
            "settings": str(proxy.settings).replace(",", ", "),
            "reference": proxy.reference,
        }
        if proxy.on_request:
            facts["on boards"] = "when it is named"
        fields = nodes.field_list(classes=["proxy-facts"])
        for name, text in facts.items():
            body = nodes.literal("", text) if name == "settings" else nodes.inline("", text)
            fields += nodes.field(
                "", nodes.field_name("", name), nodes.field_body("", nodes.paragraph("", "", body))
            )
        title = f"{proxy.name} version {proxy.version}, of the plugin {host.owner('proxy', proxy.name)}"
        return [nodes.paragraph("", "", nodes.emphasis("", title)), fields]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("proxy", Facts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

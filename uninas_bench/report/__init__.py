"""From frames to terminal, CSV, Markdown, LaTeX and JSON."""

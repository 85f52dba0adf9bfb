"""Figures for papers, and the numbers behind every figure of this package's reports.

`evidence` gathers scores and accuracies; `scatter`, `agreement`, `expense`, `ceilings`, `contested` and
`courses` turn them into what a figure shows; the page draws that as SVG, `draw` with matplotlib.
"""

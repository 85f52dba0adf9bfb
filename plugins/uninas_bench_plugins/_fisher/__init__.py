"""The Fisher information of a network's parameters at initialisation, for `vkdnw`.

`entries` chooses scalars of the parameters, `probe` learns the network's structure from a few images,
`taps` are the closed-form derivatives at modules, `fold` makes backwards cheap, `tangents` is the exact
rule for everything without a tap, `jacobian` puts them together, `precision` asks whether rounding decides
what comes out, `information` is the algebra after it.
"""

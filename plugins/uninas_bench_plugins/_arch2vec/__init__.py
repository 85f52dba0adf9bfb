"""arch2vec: a variational graph isomorphism autoencoder; its latents are architectures that have gradients.

`graphs` says what a graph of operations is and which are valid; `cells`, `chains` and `blocks` are those of
the built-in spaces, `encodings` finds the one of a space. None of them needs torch. `networks` has encoder
and decoder, `losses` what they are trained by, `training` the epochs, `autoencoder` what is left of them,
`evaluation` how good it is, `settings` what all of that depends on.

Source: Yan et al., "Does Unsupervised Architecture Representation Learning Help Neural Architecture Search?",
NeurIPS 2020, and its released code.
"""

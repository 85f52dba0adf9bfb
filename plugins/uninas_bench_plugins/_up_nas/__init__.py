"""UP-NAS: a unified proxy, predicted from an architecture's place in a latent space, and climbed there.

`weights` are those that sum several proxies into one, `normalising` makes their scores comparable, `scores`
computes them for some architectures and `files` reads them from a user's file. `estimator` learns to predict
them from latents, `ascent` follows its gradient to better architectures. `fitting` does all of it once for a
space and `model` is what is left of that; `settings` is what it depends on, `tables` computes the paper's
tables again.

Source: Huang et al., "UP-NAS: Unified Proxy for Neural Architecture Search", CVPR Workshops 2024.
"""

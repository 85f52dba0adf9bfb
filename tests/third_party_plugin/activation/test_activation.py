"""The conformance suite is all that a plugin's author has to subclass."""

from uninas_bench_activation import activation

from uninas_bench.proxy import Proxy
from uninas_bench.testing.proxies import ProxyTestCase


class TestActivation(ProxyTestCase):
    def make_proxy(self) -> Proxy:
        return activation

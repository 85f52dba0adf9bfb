"""The proxies that come with uninas-bench, registered by entry point like any third party's."""

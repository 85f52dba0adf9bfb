from uninas_bench import Subject, hookimpl, simple_proxy


@simple_proxy("activation", version=1, needs={"images"}, batch=32)
def activation(subject: Subject) -> float:
    """Mean absolute activation of the last features."""
    images, _ = subject.batch()
    return subject.features(images)[-1].abs().mean().item()


@hookimpl
def uninas_bench_proxies():
    return [activation]

"""What one run comes to."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sample:
    """
    So many events or requests a second.

    Where each request was timed: `latency`, its median and 99th percentile in milliseconds, by name; `cpu`, milliseconds of CPU a request,
    by who used them.
    """

    rate: float
    latency: dict[str, tuple[float, float]] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)

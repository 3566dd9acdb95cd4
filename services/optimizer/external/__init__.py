"""External runs: clients ask for trials under leases and tell what became of them; no worker is needed."""

from services.optimizer.external.asking import suggest
from services.optimizer.external.completing import complete
from services.optimizer.external.extending import extend
from services.optimizer.external.importing import import_trials
from services.optimizer.external.leasing import renew
from services.optimizer.external.pushing import push
from services.optimizer.external.reporting import report_examples, report_measurements, reports
from services.optimizer.external.starting import start

__all__ = [
    "complete",
    "extend",
    "import_trials",
    "push",
    "renew",
    "report_examples",
    "report_measurements",
    "reports",
    "start",
    "suggest",
]

"""Round trips: spaces in the words of other libraries and back, with a report of what does not carry over.

Where the report is empty, the way there and back gives an equal space; and every value of the space has one on the
other side that leads back to it.
"""

from collections.abc import Mapping

from domain.interchange.ax_form import AxForm
from domain.interchange.configspace_form import ConfigSpaceForm
from domain.interchange.exchange import Exported, Format, imported
from domain.interchange.optuna_form import OptunaForm
from domain.interchange.report import Remark
from domain.interchange.vizier_form import VizierForm

FORMATS: Mapping[str, Format] = {
    "optuna": OptunaForm(),
    "configspace": ConfigSpaceForm(),
    "vizier": VizierForm(),
    "ax": AxForm(),
}

__all__ = ["FORMATS", "Exported", "Format", "Remark", "imported"]

"""A program that does what each input tells it to, and metrics beside it; registered beside this package."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ashgrove.custom import Metric, Prediction

Values = Mapping[str, Any]


def fickle(inputs: Values, parameters: Values) -> Any:
    """Answers with its text; `log` names a file that every call is written to, `gate` one that calls named wait for."""
    text = inputs["text"]
    if "log" in parameters:
        with Path(parameters["log"]).open("a") as log:
            log.write(text + "\n")
    while text in parameters.get("wait", ()) and not Path(parameters["gate"]).exists():
        time.sleep(0.01)
    if text in parameters.get("raise", ()):
        raise ValueError(f"no answer to {text}")
    if text in parameters.get("astray", ()):
        return {"answer": 7, "more": "than asked for"}
    return Prediction({"answer": text}, {"letters": len(text)})


def _letters(example: Values, prediction: Values, trace: Values | None, params: Values) -> Any:
    found = float((trace or {})["letters"])
    return {"score": found, "feedback": "short"} if found < params.get("short", 0) else found


letters = Metric(_letters, low=0, direction="minimize", unit="letters", aggregation="p95", description="How long.")
huge = Metric(lambda example, prediction, trace, params: 1.7e308, aggregation="sum")

"""Reading what a model answered to a template: one text, or the members of an object."""

import json
import re
from collections.abc import Mapping
from typing import Any

from domain.signatures.field import Field
from domain.signatures.json_schema import without_nulls
from domain.templates import written
from domain.values import Json
from services.program.lm.engine import OutputUnparsable
from services.program.schemas.checking import Checker

_MARKED = re.compile(r"\[\[ ## (\w+) ## \]\]\n?(.*?)(?=\n\[\[ ## |\Z)", re.DOTALL)
# Apart, so that no length of white space makes the search take more than one pass.
_OPENED = re.compile(r"```(?:json)?[ \t\r]*\n")
_CLOSED = re.compile(r"\n[ \t]*```")


def answer_of(text: str, outputs: Checker) -> dict[str, Json]:
    """Returns the outputs of an answer, read leniently; raises OutputUnparsable with everything that is wrong.

    The answer is a JSON object, perhaps in a fence or among words; or fields with DSPy's markers; or, of one output,
    just that.
    """
    said = _said(text, outputs.fields)
    checked = outputs.check(without_nulls(outputs.fields, said), "outputs", lenient=True)
    if checked.violations:
        told = "; ".join(f"{each.path} {each.message}" for each in checked.violations)
        raise OutputUnparsable(f"the model's answer does not fit the signature: {told}")
    return checked.values


def answered(outputs: Mapping[str, Json], fields: tuple[Field, ...]) -> str:
    """Returns outputs as a model would answer them to a template."""
    if len(fields) == 1:
        return written(outputs.get(fields[0].name))
    return json.dumps({each.name: outputs.get(each.name) for each in fields}, ensure_ascii=False)


def _said(text: str, fields: tuple[Field, ...]) -> dict[str, Any]:
    names = {each.name for each in fields}
    marked = {name: value.strip() for name, value in _MARKED.findall(text) if name in names}
    if marked:
        return marked
    found = _object(text)
    if len(fields) > 1 or (found is not None and found.keys() == names):
        # A key more is no harm: nobody asked for it.
        return {name: value for name, value in (found or {}).items() if name in names}
    return {fields[0].name: text.strip()}


def _object(text: str) -> dict[str, Any] | None:
    begin, end = text.find("{"), text.rfind("}")
    for piece in (text, _fenced(text), text[begin : end + 1] if 0 <= begin < end else ""):
        try:
            found = json.loads(piece)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    return None


def _fenced(text: str) -> str:
    """Returns what stands in the first fence, the empty text where there is none."""
    opened = _OPENED.search(text)
    closed = _CLOSED.search(text, opened.end()) if opened else None
    return text[opened.end() : closed.start()] if opened and closed else ""

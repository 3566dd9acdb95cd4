"""Documents as DSPy's modules, and modules as documents again: nothing is lost on the way there and back."""

import re
from collections.abc import Collection, Mapping
from typing import Any

import dspy

from domain.values import Json
from services.program.lm.signature import DECLARED, REASONING, chain_of_thought, dspy_signature, inner_name, input_name

_DEFAULT = re.compile(r"Given the fields (.*), produce the fields (.*)\.")
_SETTINGS = ("temperature", "top_p", "max_tokens")


def module_of(document: Mapping[str, Any]) -> Any:
    """Returns the module of `{kind, signature, demonstrations, settings}`, the signature as its proto says it in JSON.

    DSPy keeps no white space at the ends of instructions and of their lines' common margin.
    """
    signature = dspy_signature(document["signature"], document["signature"].get("instructions", ""))
    module = chain_of_thought(signature) if document["kind"] == "chain_of_thought" else dspy.Predict(signature)
    predictor = module.predictors()[0]
    predictor.demos = [_demo(each) for each in document.get("demonstrations", ())]
    predictor.config = dict(document.get("settings", {}))
    return module


def document_of(module: Any) -> dict[str, Json]:
    """Returns the document of a module that `module_of` made, whatever an optimizer has done to it since."""
    (predictor,) = module.predictors()
    signature = predictor.signature
    inputs, outputs = _declared(signature.input_fields), _declared(signature.output_fields)
    names = {input_name(each["name"]): each["name"] for each in inputs}
    declared = {inner_name(each["name"]): each["name"] for each in outputs}
    results = {REASONING: REASONING} | declared
    said = "" if _is_default(signature.instructions, names, declared) else signature.instructions
    return {
        "kind": "chain_of_thought" if isinstance(module, dspy.ChainOfThought) else "predict",
        "signature": ({"instructions": said} if said else {}) | {"inputs": inputs, "outputs": outputs},
        "demonstrations": [
            {"inputs": _named(each, names), "outputs": _named(each, results)} for each in predictor.demos
        ],
        "settings": {name: predictor.config[name] for name in _SETTINGS if name in predictor.config},
    }


def _demo(shown: Mapping[str, Any]) -> Any:
    values = {input_name(name): value for name, value in shown["inputs"].items()}
    return dspy.Example(**values, **{inner_name(name): value for name, value in shown["outputs"].items()})


def _declared(fields: Mapping[str, Any]) -> list[dict[str, Json]]:
    """Returns what was declared, in that order, without what the kind adds."""
    extras = (each.json_schema_extra for each in fields.values())
    placed = sorted((each[DECLARED] for each in extras if DECLARED in each), key=lambda pair: pair[0])
    return [dict(field) for _, field in placed]


def _named(demo: Any, names: Mapping[str, str]) -> dict[str, Json]:
    return {names[name]: value for name, value in demo.items() if name in names}


def _is_default(instructions: str, inputs: Collection[str], outputs: Collection[str]) -> bool:
    """Tells whether instructions are what DSPy says by itself where nobody told it anything."""
    found = _DEFAULT.fullmatch(instructions)
    if found is None:
        return False
    one, other = (set(re.findall(r"`(\w+)`", part)) for part in found.groups())
    return one == set(inputs) and other == set(outputs)

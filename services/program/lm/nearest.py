"""`local/nearest-demo@1`: a real in-context learner of a weak kind, which says so; it sees only the chat request.

It answers like the demonstrations most similar to the query, and follows rules of the form
`If the text contains "och", answer sv.`; other prose has no effect on it.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.program.lm.ngrams import cosine, vector
from services.program.lm.remembered import remembered

VERSION = "local/nearest-demo@1"
WINDOW_TOKENS = 2048
_SHARPNESS = 8
_RULE_WEIGHT = 0.5
_FLOOR = 0.02
_FIELD = re.compile(r"\[\[ ## (\w+) ## \]\]\n?(.*?)(?=\n\[\[ ## |\Z)", re.DOTALL)
_LITERAL = re.compile(
    r"`(?:\[\[ ## )?(\w+)(?: ## \]\])?`(?: \(must be formatted as a valid Python Literal\[(.*?)\]\))?", re.DOTALL
)
_CHOICE = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_RULE = re.compile(r'If the \w+ contains "([^"]+)", answer ([^\n]+?)\.(?=\s|$)')
_REQUEST = "\n\nRespond with "
_JSON = "a JSON object"
_REASONING = "reasoning"
_ANSWER = "answer"
_NAMED = 3  # of the demonstrations and of the cues


@dataclass(frozen=True)
class Turn:
    """One message of a chat."""

    role: str
    text: str


@dataclass(frozen=True)
class Sampling:
    """How an answer is drawn: temperature and top_p from the request, seed and sample index from the evaluator."""

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    sample_index: int = 0


@dataclass(frozen=True)
class Answer:
    """The text that the model says, and the tokens it was charged for."""

    text: str
    input_tokens: int
    output_tokens: int


def tokens(text: str) -> int:
    """Returns the length of a text in tokens: its UTF-8 bytes by four, rounded up."""
    return -(-len(text.encode()) // 4)


def answer(system: str, turns: Sequence[Turn], sampling: Sampling) -> Answer:
    """Answers a chat: one value for each output field that the last turn asks for, with markers or as JSON.

    A turn that asks for no fields is answered as the demonstrations are: with JSON of the same members, else one text.
    """
    fitting = _fitting(system, turns)
    query_text, wanted, as_json = _query(turns[-1].text)
    pairs = _pairs(fitting[:-1])
    demonstrations = [(_joined(u.text), _fields(a.text)) for u, a in pairs]
    is_plain = not wanted
    if is_plain:
        wanted = {name: [] for _, outputs in demonstrations for name in outputs} or {_ANSWER: []}
        as_json = _ANSWER not in wanted or len(wanted) > 1
        answers = [a.text for _, a in pairs]
        shown = zip(demonstrations, answers, strict=True)
        demonstrations = [(text, outputs or {_ANSWER: told}) for (text, outputs), told in shown]
    similar = [cosine(vector(query_text), vector(text)) ** _SHARPNESS for text, _ in demonstrations]
    folded = query_text.casefold()
    rules = [(cue, value, cue.casefold() in folded) for cue, value in _RULE.findall(system)]
    others = {name: choices for name, choices in wanted.items() if name != _REASONING or choices}
    said = dict.fromkeys(wanted, "")
    for name, choices in others.items():
        # Of several outputs, a rule is about those that may hold its answer.
        followed = [r for r in rules if len(others) == 1 or not choices or r[1] in choices]
        evidence = _evidence(name, choices, demonstrations, similar, followed)
        said[name] = _drawn(evidence, sampling, (system, fitting, name))
    if wanted.keys() - others.keys():
        said[_REASONING] = _reasoning([text for text, _ in demonstrations], similar, [r[0] for r in rules if r[2]])
    text = json.dumps(said, ensure_ascii=False) if as_json else said[_ANSWER] if is_plain else _marked(said)
    return Answer(text, tokens(system) + sum(tokens(t.text) for t in fitting), tokens(text))


def _marked(said: Mapping[str, str]) -> str:
    return "\n\n".join([*(f"[[ ## {name} ## ]]\n{value}" for name, value in said.items()), "[[ ## completed ## ]]"])


def _reasoning(texts: Sequence[str], similar: Sequence[float], cues: Sequence[str]) -> str:
    """Returns what was there to go by, in one line: the nearest demonstrations, nearest first, and the cues found."""
    ranked = sorted(range(len(texts)), key=lambda i: -similar[i])
    nearest = [" ".join(texts[i].split()) for i in ranked[:_NAMED]]
    found = [f'"{cue}"' for cue in dict.fromkeys(cues)][:_NAMED]
    return f"closest: {' | '.join(nearest) or 'nothing'}" + (f"; cues: {', '.join(found)}" if found else "")


def _fitting(system: str, turns: Sequence[Turn]) -> list[Turn]:
    """Drops the oldest demonstrations that overflow the window."""
    kept, room = [turns[-1]], WINDOW_TOKENS - tokens(system) - tokens(turns[-1].text)
    for user, assistant in reversed(_pairs(turns[:-1])):
        room -= tokens(user.text) + tokens(assistant.text)
        if room < 0:
            break
        kept[:0] = [user, assistant]
    return kept


def _pairs(turns: Sequence[Turn]) -> list[tuple[Turn, Turn]]:
    return [(a, b) for a, b in zip(turns[::2], turns[1::2], strict=False) if (a.role, b.role) == ("user", "assistant")]


def _query(text: str) -> tuple[str, dict[str, list[str]], bool]:
    """Returns the query's text, the output fields asked for with their declared values, and whether JSON is wanted."""
    shown, request = text, ""
    if _REQUEST in text:
        shown, request = text.rsplit(_REQUEST, 1)  # the last one: a query may hold these words too
    wanted = {name: _choices(literal) for name, literal in _LITERAL.findall(request) if name != "completed"}
    return _joined(shown), wanted, request.startswith(_JSON)


def _choices(literal: str) -> list[str]:
    return [a or b for a, b in _CHOICE.findall(literal)]


def _joined(text: str) -> str:
    return "\n".join(_fields(text).values()) or text


@remembered
def _fields(text: str) -> Mapping[str, str]:
    """Returns the fields of a turn, written with markers or as JSON; shared, never changed."""
    if text.lstrip().startswith("{"):
        try:
            return {str(k): str(v) for k, v in json.loads(text).items()}
        except (ValueError, RecursionError):
            return {}
    return {name: value.strip() for name, value in _FIELD.findall(text) if name != "completed"}


def _evidence(
    name: str,
    choices: Sequence[str],
    demonstrations: Sequence[tuple[str, Mapping[str, str]]],
    similar: Sequence[float],
    rules: Sequence[tuple[str, str, bool]],
) -> dict[str, float]:
    """Returns the evidence for each answer, in the order in which ties are broken."""
    evidence = dict.fromkeys(choices, 0.0)
    for (_, outputs), weight in zip(demonstrations, similar, strict=True):
        if name in outputs:
            evidence[outputs[name]] = evidence.get(outputs[name], 0.0) + weight
    for _, value, found in rules:
        evidence[value] = evidence.get(value, 0.0) + (_RULE_WEIGHT if found else 0.0)
    return evidence or {"unknown": 0.0}


def _drawn(evidence: Mapping[str, float], sampling: Sampling, request: object) -> str:
    if sampling.temperature <= 0:
        return max(evidence, key=lambda a: evidence[a])  # the first of equals
    weights = {a: math.log(e + _FLOOR) / sampling.temperature for a, e in evidence.items()}
    key = hashlib.blake2b(repr((VERSION, request, sampling.seed, sampling.sample_index)).encode()).digest()
    return max(_nucleus(weights, sampling.top_p), key=lambda a: weights[a] + _gumbel(key, a))


def _nucleus(weights: Mapping[str, float], top_p: float) -> list[str]:
    """Returns the likeliest answers that together hold the probability `top_p`."""
    top = max(weights.values())
    masses = {a: math.exp(w - top) for a, w in weights.items()}
    total, held, kept = sum(masses.values()), 0.0, []
    for a in sorted(masses, key=lambda a: -masses[a]):
        kept.append(a)
        held += masses[a] / total
        if held >= top_p:
            break
    return kept


def _gumbel(key: bytes, value: str) -> float:
    digest = hashlib.blake2b(value.encode(), key=key[:64], digest_size=8).digest()
    uniform = (int.from_bytes(digest, "big") + 0.5) / 2**64
    return -math.log(-math.log(uniform))

"""One example as it is written: its split, what it belongs together with, and its values as canonical JSON."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ashgrove.program.v1 import dataset_pb2

from domain.rows.grouping import Division, group_of_words, words_of
from domain.values import Json, canonical_json

SPLITS = {
    "train": "SPLIT_TRAIN",
    "validation": "SPLIT_VALIDATION",
    "test": "SPLIT_TEST",
}
"""How files call the splits, and what they are called here."""
_NAMES = {name: word for word, name in SPLITS.items()}


class Line(NamedTuple):
    """An example that is sound; `content` is shared by those that are duplicates of each other."""

    split: str
    group: str
    content: str
    inputs: bytes
    outputs: bytes

    def written(self) -> bytes:
        """Returns it as one line of a spool: JSON has neither tabs nor line feeds outside of escapes."""
        return b"%b\t%b\t%b\n" % ("\t".join(self[:3]).encode(), self.inputs, self.outputs)

    @property
    def hashed(self) -> bytes:
        """What a revision's hash is taken of."""
        return b"%b\t%b\t%b\n" % (self.split.encode(), self.inputs, self.outputs)

    @property
    def word(self) -> str:
        """Its split, as people write it."""
        return _NAMES[self.split]


def read(written: bytes) -> Line:
    """Returns a line that was written."""
    split, group, content, inputs, outputs = written.rstrip(b"\n").split(b"\t")
    return Line(split.decode(), group.decode(), content.decode(), inputs, outputs)


class Lines:
    """Makes lines of the sound examples of one dataset."""

    def __init__(self, dataset: dataset_pb2.Dataset) -> None:
        rule = dataset.split_rule
        percents = (rule.train_percent, rule.validation_percent) if _told(rule) else (60, 20)
        self._division = Division(*percents, rule.salt)
        self._gathers = rule.HasField("likeness")
        self.grouped = list(rule.group_fields) or [field.name for field in dataset.input_fields]
        self._inputs = [field.name for field in dataset.input_fields]
        self._outputs = [field.name for field in dataset.output_fields]

    def line(self, split: str, inputs: Mapping[str, Json], outputs: Mapping[str, Json]) -> Line:
        """Returns an example with normalised values as a line; the split rule decides where no split is named.

        Where near-duplicates are gathered it decides once it is known what the example is like: until then none is.
        """
        # What may be left out is null to the hash.
        words = {name: words_of(inputs.get(name)) for name in self._inputs}
        group = group_of_words([words[name] for name in self.grouped])
        content = group_of_words([*words.values(), *[words_of(outputs.get(name)) for name in self._outputs]])
        if not self._gathers:
            split = split or self._split(group)
        return Line(split, group, content, canonical_json(dict(inputs)), canonical_json(dict(outputs)))

    def settled(self, line: Line) -> Line:
        """Returns a line that leads its group with a split."""
        return line if line.split else line._replace(split=self._split(line.group))

    def _split(self, group: str) -> str:
        return SPLITS[self._division.split(group)]


def _told(rule: Any) -> bool:
    return bool(rule.train_percent or rule.validation_percent or rule.test_percent)

"""Variable spaces: created, edited, drawn from, carried to other libraries."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ashgrove.areas import VariablesArea
from ashgrove.collection import Unique, mask_of
from ashgrove.domains import (
    Boolean,
    Choice,
    Computed,
    Conditional,
    Constraint,
    DemoSet,
    Domain,
    Float,
    Group,
    Hybrid,
    Instruction,
    Integer,
    Module,
)
from ashgrove.errors import from_status
from ashgrove.values import numbered, to_dict, to_struct
from ashgrove.variables.v1 import space_comparison_requests_pb2 as comparison
from ashgrove.variables.v1 import space_exchange_requests_pb2 as exchange
from ashgrove.variables.v1 import variable_space_pb2
from ashgrove.variables.v1.variable_configuration_requests_pb2 import (
    GenerateConfigurationsRequest,
    GenerateConfigurationsResponse,
    ValidateConfigurationResponse,
)

__all__ = [
    "Boolean",
    "Choice",
    "Computed",
    "Conditional",
    "Constraint",
    "DemoSet",
    "Domain",
    "Float",
    "Group",
    "Hybrid",
    "Instruction",
    "Integer",
    "Module",
    "Spaces",
]

_Space = variable_space_pb2.VariableSpace


class Spaces(Unique[_Space]):
    """The variable spaces that the caller may see."""

    area, noun, plural = VariablesArea, "VariableSpace", "variable_spaces"

    def create(
        self, name: str, variables: Mapping[str, Domain] | _Space, constraints: Sequence[Constraint] = ()
    ) -> _Space:
        """Creates a space from domains by name, or from a space that was proposed or imported."""
        space = _Space(name=name)
        if isinstance(variables, _Space):
            space.variables.extend(variables.variables)
            space.constraints.extend(variables.constraints)
        else:
            space.variables.extend(domain.variable(each) for each, domain in variables.items())
        space.constraints.extend(each.constraint() for each in constraints)
        made: _Space = self._call("CreateVariableSpace", variable_space=space)
        return made

    def from_presets(self, name: str, presets: Sequence[str]) -> _Space:
        """Creates a space of copies of the organization's presets, by their names."""
        made: _Space = self._call("CreateVariableSpaceFromPresets", name=name, presets=presets)
        return made

    def get(
        self, identifier: str, revision: int = 0, *, include: Sequence[str] = (), fields: Sequence[str] = ()
    ) -> _Space:
        """Returns a space, at an earlier revision when one is named."""
        asked = {"include": include, "read_mask": mask_of(fields)}
        found: _Space = self._call("GetVariableSpace", id=identifier, revision=revision, **asked)
        return found

    def generate(
        self, identifier: str, count: int, seed: int = 0, strategy: str = "random", **wanted: Any
    ) -> Sequence[dict[str, Any]]:
        """Returns configurations; see `generated` for more than their values."""
        return [to_dict(each) for each in self.generated(identifier, count, seed, strategy, **wanted).configurations]

    def generated(
        self, identifier: str, count: int, seed: int = 0, strategy: str = "random", **wanted: Any
    ) -> GenerateConfigurationsResponse:
        """Returns up to 1,000 configurations, where to go on, and how much of the design they cover.

        The same arguments give the same ones. `strategy` is random, sobol, halton, latin_hypercube, grid, default,
        perturb or crossover; `wanted` is the rest of GenerateConfigurationsRequest: `index`, `total`, `around`, ...
        """
        made: GenerateConfigurationsResponse = self._call(
            "GenerateConfigurations", **_wanted(identifier, count, seed, strategy, wanted)
        )
        return made

    def stream(
        self, identifier: str, count: int, seed: int = 0, strategy: str = "random", **wanted: Any
    ) -> Iterator[dict[str, Any]]:
        """Yields up to a million configurations; raises an AshgroveError where no more are found."""
        asked = _wanted(identifier, count, seed, strategy, wanted)
        for frame in self._stream("StreamConfigurations", **asked):
            kind = frame.WhichOneof("frame")
            if kind == "item":
                yield to_dict(frame.item.values)
            if kind == "end" and frame.end.status.code:
                raise from_status(frame.end.status)

    def validate(
        self, identifier: str, values: Mapping[str, Any], slots: Sequence[str] = ()
    ) -> ValidateConfigurationResponse:
        """Judges values: normalised, or every violation."""
        verdict: ValidateConfigurationResponse = self._call(
            "ValidateConfiguration", variable_space_id=identifier, values=to_struct(values), slots=slots
        )
        return verdict

    def export(self, identifier: str, form: str, revision: int = 0) -> exchange.ExportVariableSpaceResponse:
        """Writes a space for optuna, configspace, vizier or ax, with what does not carry over."""
        written: exchange.ExportVariableSpaceResponse = self._call(
            "ExportVariableSpace", variable_space_id=identifier, format=_format(form), revision=revision
        )
        return written

    def read(self, form: str, content: str) -> exchange.ImportVariableSpaceResponse:
        """Reads a document of optuna, configspace, vizier or ax; `create` keeps the space that it describes."""
        read: exchange.ImportVariableSpaceResponse = self._call(
            "ImportVariableSpace", format=_format(form), content=content
        )
        return read

    def extract(
        self, program_id: str, *, models: Sequence[str] = (), slots: bool = False, dataset_id: str = ""
    ) -> _Space:
        """Proposes what of a program may be tuned; `create` keeps it."""
        asked = {"program_id": program_id, "models": models, "slots": slots, "dataset_id": dataset_id}
        proposal: _Space = self._call("ExtractVariableSpace", **asked).variable_space
        return proposal

    def add_variable(
        self, identifier: str, name: str, domain: Domain, position: int | None = None, *, over: int = 0
    ) -> _Space:
        """Adds a variable, at the end unless a position is named; returns the new revision.

        Every edit takes `over`: the revision that it is meant for, so that Aborted is raised where somebody was faster.
        """
        variable = domain.variable(name)
        return self._edited("AddVariable", identifier, over, variable=variable, position=position)

    def update_variable(self, identifier: str, name: str, domain: Domain, *, over: int = 0) -> _Space:
        """Gives a variable another domain."""
        return self._edited("UpdateVariable", identifier, over, name=name, variable=domain.variable(name))

    def remove_variable(self, identifier: str, name: str, *, over: int = 0) -> _Space:
        """Removes a variable."""
        return self._edited("RemoveVariable", identifier, over, name=name)

    def reorder(self, identifier: str, names: Sequence[str], *, over: int = 0) -> _Space:
        """Puts the variables into this order."""
        return self._edited("ReorderVariables", identifier, over, names=names)

    def add_constraint(self, identifier: str, constraint: Constraint, *, over: int = 0) -> _Space:
        """Adds a constraint."""
        return self._edited("AddConstraint", identifier, over, constraint=constraint.constraint())

    def remove_constraint(self, identifier: str, constraint_id: str, *, over: int = 0) -> _Space:
        """Removes a constraint."""
        return self._edited("RemoveConstraint", identifier, over, constraint_id=constraint_id)

    def merge(
        self, identifier: str, other: str, *, prefer: str = "", over: int = 0, **base: Any
    ) -> comparison.MergeVariableSpacesResponse:
        """Takes over what another space changed since the two were one; the answer names every conflict.

        With conflicts nothing is changed, unless `prefer` says whose change wins: `ours` or `theirs`. `base` names the
        common ancestor where cloning does not tell it: `base_variable_space_id` and `base_revision`.
        """
        wins = numbered(comparison.MergeVariableSpacesRequest.Prefer, prefer)
        asked = {"from_variable_space_id": other, "prefer": wins, "expected_revision": over, **base}
        merged: comparison.MergeVariableSpacesResponse = self._call(
            "MergeVariableSpaces", variable_space_id=identifier, **asked
        )
        return merged

    def clone(self, identifier: str, name: str, revision: int = 0) -> _Space:
        """Copies a revision under a new name."""
        copy: _Space = self._call("CloneVariableSpace", variable_space_id=identifier, new_name=name, revision=revision)
        return copy

    def analyze(self, identifier: str, revision: int = 0) -> comparison.AnalyzeVariableSpaceResponse:
        """Says what is known of a space: its size, whether it can be satisfied, what each variable depends on."""
        found: comparison.AnalyzeVariableSpaceResponse = self._call(
            "AnalyzeVariableSpace", variable_space_id=identifier, revision=revision
        )
        return found

    def diff(
        self, identifier: str, revision: int, to_revision: int = 0, other: str = ""
    ) -> comparison.DiffVariableSpacesResponse:
        """Says what differs from one revision to another, of the same space or of another one."""
        found: comparison.DiffVariableSpacesResponse = self._call(
            "DiffVariableSpaces",
            variable_space_id=identifier,
            revision=revision,
            to_variable_space_id=other,
            to_revision=to_revision,
        )
        return found

    def _edited(self, rpc: str, identifier: str, over: int, **fields: Any) -> _Space:
        edited: _Space = self._call(rpc, variable_space_id=identifier, expected_revision=over, **fields)
        return edited


def _wanted(identifier: str, count: int, seed: int, strategy: str, more: Mapping[str, Any]) -> dict[str, Any]:
    known = numbered(GenerateConfigurationsRequest.Strategy, strategy)
    around = [to_struct(each) for each in more.get("around", ())]
    return {"variable_space_id": identifier, "count": count, "seed": seed, "strategy": known, **more, "around": around}


def _format(form: str) -> Any:
    return numbered(exchange.SpaceFormat, form)

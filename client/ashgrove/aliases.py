"""Aliases: names for revisions of a program."""

from collections.abc import Mapping

from google.protobuf.field_mask_pb2 import FieldMask

from ashgrove.areas import ProgramArea
from ashgrove.collection import Archived
from ashgrove.program.v1 import program_alias_pb2

_Alias = program_alias_pb2.ProgramAlias


class Aliases(Archived[_Alias]):
    """The aliases that the caller may see; execute by one with `programs.execute(…, alias="production")`."""

    area, noun, plural = ProgramArea, "ProgramAlias", "program_aliases"

    def create(self, program_id: str, name: str, targets: Mapping[int, int]) -> _Alias:
        """Creates an alias, such as `{3: 95, 4: 5}`: revisions with their weights."""
        alias = _Alias(program_id=program_id, name=name, targets=_targets(targets))
        made: _Alias = self._call("CreateProgramAlias", program_alias=alias)
        return made

    def point(self, identifier: str, targets: Mapping[int, int], etag: str = "") -> _Alias:
        """Points an alias at other revisions; raises Aborted when the etag is no longer the current one."""
        alias = _Alias(id=identifier, targets=_targets(targets), etag=etag)
        mask = FieldMask(paths=["targets"])
        changed: _Alias = self._call("UpdateProgramAlias", program_alias=alias, update_mask=mask)
        return changed

    def rollback(self, identifier: str, revision: int = 0) -> _Alias:
        """Gives an alias back what it stood for before, or at one of its own revisions."""
        changed: _Alias = self._call("RollbackProgramAlias", id=identifier, revision=revision)
        return changed


def _targets(targets: Mapping[int, int]) -> list[program_alias_pb2.AliasTarget]:
    return [program_alias_pb2.AliasTarget(revision=each, weight=weight) for each, weight in targets.items()]

"""What one organization has: a resource of every kind, each marked, so that a single foreign byte is recognised."""

import base64
import json
import uuid
from typing import Any

from tests.e2e.api import Api, Setting, unique


class Belongings:
    """One of everything an organization can have, by noun: its id and its JSON."""

    def __init__(self, api: Api, mark: str) -> None:
        self.api = api
        self.mark = mark
        self.found: dict[str, list[dict[str, Any]]] = {}
        self._make()

    def id(self, noun: str) -> str:
        """Returns the id of one of the kind; of anything where there is none."""
        rows = self.found.get(noun) or next(rows for rows in self.found.values() if rows)
        return str(rows[0]["id"])

    @property
    def ids(self) -> set[str]:
        """Every id."""
        return {str(row["id"]) for rows in self.found.values() for row in rows}

    def _marked(self, name: str) -> str:
        return unique(f"{self.mark} {name}")

    def _make(self) -> None:
        api = self.api
        setting = Setting(api, validation=3)
        api.call(
            "PATCH", f"/v1/programs/{setting.program}", {"name": self._marked("program"), "description": self.mark}
        )
        api.call("PATCH", f"/v1/datasets/{setting.dataset}", {"name": self._marked("dataset")})
        api.call(
            "PATCH", f"/v1/variableSpaces/{setting.space}", {"name": self._marked("space"), "description": self.mark}
        )
        run = setting.start(max_trials=2, strategy="STRATEGY_RANDOM", name=self._marked("run"))["id"]
        setting.watch(run)
        execution = api.post(f"/v1/programs/{setting.program}:execute", {"inputs": {"text": self.mark}})
        feedback = {"execution_id": execution["id"], "score": 0.5, "label": self.mark[:63], "comment": self.mark}
        feedback = api.post("/v1/feedback", {**feedback, "corrected_outputs": {"language": "sv"}})
        alias = {"program_id": setting.program, "name": "production", "targets": [{"revision": 1, "weight": 1}]}
        alias = api.post("/v1/programAliases", alias)
        values = {"temperature": 0.5, "rule_count": 3}
        saved = {"variable_space_id": setting.space, "name": self._marked("configuration"), "values": values}
        configuration = api.post("/v1/variableConfigurations", saved)
        component = {"name": f"x{uuid.uuid4().hex}", "interface": "reasoning", "description": self.mark}
        knob = {"name": f"x{uuid.uuid4().hex}", "boolean": {}, "description": self.mark}
        prompt = {"variable_space_id": setting.space, "kind": "KIND_INSTRUCTION", "content": {"text": self.mark}}
        user = api.post("/v1/users", {"email": f"{unique('x')[2:]}@{self.mark}.test", "name": self._marked("user")})
        key = api.post("/v1/apiKeys", {"api_key": {"name": self._marked("key"), "user_id": user["id"]}})
        invited = api.post("/v1/invitations", {"invitation": {"email": f"{uuid.uuid4().hex}@{self.mark}.test"}})
        model = {"name": self.mark[:40].lower(), "provider": "openai", "base_url": "https://models.invalid.test/v1"}
        connector = api.post("/v1/connectors", {**model, "model": self.mark, "description": self.mark})
        trials = api.get(f"/v1/optimizationRuns/{run}/trials")["trials"]
        evaluation = api.get(f"/v1/evaluations/{trials[0]['evaluation_id']}")
        self.found = {
            "Program": [api.get(f"/v1/programs/{setting.program}")],
            "Dataset": [api.get(f"/v1/datasets/{setting.dataset}")],
            "DatasetRevision": api.get(f"/v1/datasets/{setting.dataset}/revisions")["dataset_revisions"],
            "Example": api.get(f"/v1/datasets/{setting.dataset}/examples?page_size=3")["examples"],
            "VariableSpace": [api.get(f"/v1/variableSpaces/{setting.space}")],
            "VariableConfiguration": [configuration],
            "Component": [api.post("/v1/components", component)],
            "VariablePreset": [api.post("/v1/variablePresets", {"variable": knob})],
            "PromptValue": [api.post("/v1/promptValues", prompt)],
            "OptimizationRun": [api.get(f"/v1/optimizationRuns/{run}")],
            "Trial": trials,
            "ProgramAlias": [alias],
            "Execution": [execution],
            "Feedback": [feedback],
            "Evaluation": [evaluation],
            "EvaluationResult": api.get(f"/v1/evaluations/{evaluation['id']}/results")["evaluation_results"],
            "Connector": [connector],
            "ProgramDefaults": [api.post("/v1/programDefaults:set", {"defaults": {"max_tokens": 200}})],
            "User": [user],
            "ApiKey": [key["api_key"]],
            "Invitation": [invited["invitation"]],
            "AuditEntry": api.get("/v1/auditEntries?page_size=2")["audit_entries"],
            "Organization": api.get("/v1/organizations")["organizations"],
        }

    @property
    def fillings(self) -> dict[str, Any]:
        """What requests need besides ids and bodies, by field name, or for one RPC alone."""
        example = {"split": "SPLIT_TRAIN", "inputs": {"text": "x"}, "outputs": {"language": "sv"}}
        values = {"temperature": 0.5}
        return {
            "action": "List",
            "new_name": unique("copy"),
            "count": 1,
            "split": "SPLIT_VALIDATION",
            "inputs": {"text": "x"},
            "values": values,
            "configuration": values,
            "examples": [example],
            "fields": [{"name": "text"}],
            "old_signature": {"inputs": [{"name": "text"}], "outputs": [{"name": "language"}]},
            "new_signature": {"inputs": [{"name": "text"}], "outputs": [{"name": "language"}]},
            "metrics": ["exact_match"],
            "measures": ["count()"],
            "name": "temperature",
            "names": ["temperature", "rule_count", "demonstration_count", "demonstration_selection"],
            "variable": {"name": "cite", "boolean": {}},
            "constraint": {"id": "calm", "expression": "temperature < 2"},
            "presets": [self.found["VariablePreset"][0]["name"]],
            "format": "SPACE_FORMAT_AX",
            "content": json.dumps({"parameters": [{"name": "a", "type": "range", "bounds": [0, 1]}]}),
            "InferDatasetFields.format": "EXAMPLE_FORMAT_JSONL",
            "InferDatasetFields.content": base64.b64encode(b'{"text": "x"}').decode(),
            "BatchExecuteProgram.inputs": [{"text": "x"}],
            "UploadExamples.format": "EXAMPLE_FORMAT_JSONL",
            "max_trials": 3,
            "client": "nobody",
            "number": 1,
            "numbers": [1],
            "completions": [{"number": 1, "error": "nobody tried"}],
            "measurements": [{"step": 1, "values": {"accuracy": 0.5}}],
            "ReportExamples.examples": [{"example_id": "first"}],
            "ExtendSpace.variables": [{"name": "cite", "boolean": {}}],
            "ImportTrials.trials": [{"number": 1, "status": "STATUS_FAILED"}],
            "base_revision": 1,
            "program_revision": 1,
            "previous_program_revision": 1,
            "handle": f"x{uuid.uuid4().hex}",
            "reason": "to see whether it may be done",
            "email": "nobody@plain.test",
            "password": "a password of nobody",
            "new_password": "another one of nobody",
            "token": "ashgrove_invitation_of_nobody",
            "defaults": {"temperature": 0.25},
            "preferences": {"theme": "THEME_DARK"},
        }

    def body(self, noun: str, *, new: bool) -> dict[str, Any]:
        """Returns one of these without its lock, to be written again or, under another name, as a new one."""
        changed = {"name": f"x{uuid.uuid4().hex}", "email": f"{uuid.uuid4().hex}@plain.test"} if new else {}
        return {**self.found[noun][0], **changed, "etag": ""}

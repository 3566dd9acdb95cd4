"""The events of the program service that are no write of a resource, and when each is told."""

EVENTS = {
    "connector.tried": "A connector was asked for one small call, with its secret and at its organization's cost.",
    "executions.lapsed": "A part of executions went that is kept no longer: which part, of how many, up to which id.",
    "executions.deleted": "Executions went that were older than the operator keeps them, their feedback with them.",
    "model_calls.deleted": "Model calls went that were older than the operator keeps them.",
}

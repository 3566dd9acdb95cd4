"""The events of the program service that are no write of a resource, and when each is told."""

EVENTS = {
    "connector.tried": "A connector was asked for one small call, with its secret and at its organization's cost.",
}

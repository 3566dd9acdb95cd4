"""Who may do what: checks that answer about an actor, a row and as SQL, composed into policies."""

from framework.policy.checks import (
    Check,
    anyone,
    has_role,
    is_operator,
    is_public,
    is_service,
    itself,
    owns,
    signed_in,
    sql_check,
)
from framework.policy.policies import READS, WRITES, Policy, bypass, policy, rule_for
from framework.policy.report import Finding, report

__all__ = [
    "READS",
    "WRITES",
    "Check",
    "Finding",
    "Policy",
    "anyone",
    "bypass",
    "has_role",
    "is_operator",
    "is_public",
    "is_service",
    "itself",
    "owns",
    "policy",
    "report",
    "rule_for",
    "signed_in",
    "sql_check",
]

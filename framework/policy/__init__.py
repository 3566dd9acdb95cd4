"""Who may do what: checks that answer about an actor, a row and as SQL, composed into policies."""

from framework.policy.act_checks import argument, changing, in_context
from framework.policy.actor_checks import anyone, has_role, is_guest, is_operator, is_service, nobody, signed_in
from framework.policy.checks import Check, not_
from framework.policy.field_policies import FieldPolicy, Guard, field_policy, field_rules, guard_of
from framework.policy.policies import READS, WRITES, Policy, bypass, deciding_fields, forbid, policy, rule_for, rule_of
from framework.policy.report import Finding, report, report_on_fields
from framework.policy.row_checks import (
    is_own_organization,
    is_public,
    itself,
    owns,
    relates_to,
    shares_organization,
    sql_check,
)

__all__ = [
    "READS",
    "WRITES",
    "Check",
    "FieldPolicy",
    "Finding",
    "Guard",
    "Policy",
    "anyone",
    "argument",
    "bypass",
    "changing",
    "deciding_fields",
    "field_policy",
    "field_rules",
    "forbid",
    "guard_of",
    "has_role",
    "in_context",
    "is_guest",
    "is_operator",
    "is_own_organization",
    "is_public",
    "is_service",
    "itself",
    "nobody",
    "not_",
    "owns",
    "policy",
    "relates_to",
    "report",
    "report_on_fields",
    "rule_for",
    "rule_of",
    "shares_organization",
    "signed_in",
    "sql_check",
]

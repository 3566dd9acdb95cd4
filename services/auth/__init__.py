"""Organizations, users, keys, tokens and grants: who is who, and who may act for whom."""

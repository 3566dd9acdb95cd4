"""The events of auth that are no write of a resource, and when each is told."""

EVENTS = {
    "api_key.authenticated": "A key was traded for an access token.",
    "user.signed_in": "A person signed in with their password.",
    "user.password_changed": "A person changed their password, and every session of theirs ended.",
    "user.password_reset": "The operator ended a person's password and handed out what sets another.",
    "break_glass.granted": "The operator let themselves into an organization; `data` says why, as what and until when.",
    "sign_in.refused": "Sign-ins that failed, counted in `data` per address, reason and minute.",
    "api_key.used": "A key was used, told once a day.",
    "session.signed_out": "A session was ended by its user.",
    "session.reused": "A refresh token was shown a second time, and its session ended.",
    "grant.created": "A run may act for a user.",
    "grant.lost": "A grant holds no more: its user lost the membership, the role or the program.",
    "grant.ended": "A grant was ended with its run.",
}

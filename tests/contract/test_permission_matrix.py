"""The matrix of who may do what is what the policies say."""

from services.describe import registries
from services.permission_matrix import PAGE, PEOPLE, may, page


def test_the_matrix_is_current() -> None:
    """Renew it with `python -m services.permission_matrix`."""
    assert PAGE.read_text() == page()


def test_whoever_is_not_known_gets_nothing_but_a_way_to_sign_in() -> None:
    """Of every service: no row can let them pass."""
    for registry in registries():
        open_ = {m.name for m in registry.methods.values() if may(m, PEOPLE["nobody known"]) != "no"}
        ways_in = {*SIGNING_IN, "GetJwks"}
        assert open_ == (ways_in if registry.service == "auth" else set())


# RPCs that keep nothing, whatever their names sound like.
QUESTIONS = ("Get", "List", "Watch", "Export", "Aggregate", "Test", "Validate", "Generate", "Stream", "Diff", "Compare")
QUESTIONS += ("ImportVariableSpace", "ExtractVariableSpace", "AnalyzeVariable")
SIGNING_IN = ("Authenticate", "SignIn", "AcceptInvitation", "ChangePassword", "RefreshAccessToken", "EndSession")
# How one likes things shown, and that one leaves, is nobody else's affair.
ONES_OWN = ("SetPreferences", "EndMembership")


def test_viewers_write_nothing() -> None:
    """X-87: whatever the row, and in every service."""
    harmless = QUESTIONS + SIGNING_IN + ONES_OWN
    writes = [m for r in registries() for m in r.methods.values() if not m.name.startswith(harmless)]
    assert len(writes) > 40
    assert {m.name for m in writes if may(m, PEOPLE["viewer"]) != "no"} == set()

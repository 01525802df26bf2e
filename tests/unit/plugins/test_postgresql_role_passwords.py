"""SCRAM verifiers; that the server takes them is proven on a droplet (molecule/database)."""

import base64

from plugins.modules.postgresql_role_passwords import fits, verifier

# RFC 7677, section 3: password "pencil".
RFC_SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
RFC_VERIFIER = (
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
)


def test_the_example_of_the_standard() -> None:
    assert verifier("pencil", RFC_SALT, 4096) == RFC_VERIFIER


def test_a_verifier_fits_its_password_only() -> None:
    assert fits("pencil", RFC_VERIFIER)
    assert not fits("Pencil", RFC_VERIFIER)


def test_no_other_form_fits() -> None:
    for present in (None, "", "md5d41d8cd98f00b204e9800998ecf8427e", "pencil"):
        assert not fits("pencil", present)

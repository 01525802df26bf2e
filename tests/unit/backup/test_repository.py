"""What is read from pgBackRest's answers."""

from typing import Any

import pytest

from roles.backup.files.platform_backup.repository import explain, parse_history, parse_stanza
from roles.backup.files.platform_backup.settings import BackupError


def info(**changes: Any) -> list[dict[str, Any]]:
    """The answer of pgBackRest 2.55 for a stanza with one backup."""
    backup = {
        "archive": {"start": "000000020000000000000009", "stop": "000000020000000000000009"},
        "database": {"id": 2, "repo-key": 1},
        "error": False,
        "info": {"size": 24380092, "delta": 7340367, "repository": {"delta": 431560}},
        "label": "20261123-050642F_20261123-051649I",
        "lsn": {"start": "0/9000028", "stop": "0/9000120"},
        "timestamp": {"start": 1795411009, "stop": 1795411011},
        "type": "incr",
    }
    stanza = {
        "name": "main",
        "archive": [
            {"database": {"id": 1}, "id": "17-1", "min": "000000010000000000000001", "max": "0000000100000000000000FF"},
            {"database": {"id": 2}, "id": "17-2", "min": "000000010000000000000001", "max": "00000002000000000000000B"},
        ],
        "backup": [backup | {"database": {"id": 1, "repo-key": 1}, "label": "of another cluster"}, backup],
        "db": [
            {"id": 1, "system-id": 1, "version": "17"},
            {"id": 2, "system-id": 7711228839546361594, "version": "17"},
        ],
        "repo": [{"status": {"code": 0, "message": "ok"}}],
        "status": {"code": 0, "message": "ok"},
    }
    return [stanza | changes]


def test_the_current_cluster_s_backups_are_read() -> None:
    stanza = parse_stanza(info(), "main")
    assert (stanza.system_id, stanza.archive, stanza.newest_segment) == (
        7711228839546361594, "17-2", "00000002000000000000000B",
    )  # fmt: skip
    (backup,) = stanza.backups
    assert (backup.kind, backup.timeline, backup.lsn_stop, backup.stored) == ("incr", 2, 0x9000120, 431560)


def test_an_empty_repository_has_no_cluster() -> None:
    stanza = parse_stanza(info(db=[], backup=[], archive=[], status={"code": 1, "message": "missing"}), "main")
    assert not stanza.exists


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("[CryptoError] unable to load info file", "cannot be decrypted"),
        ("FormatError: key/value found outside of section at line 1: \ufffd\x02", "cannot be decrypted"),
        (
            "[ProtocolError] HTTP request failed with 403 (Forbidden):\nhost: x\n<Code>SignatureDoesNotMatch</Code>",
            r"403 \(Forbidden\), SignatureDoesNotMatch$",
        ),
        ("[HostConnectError] unable to connect to '198.51.100.1:443'", "unable to connect to '198.51.100.1:443'"),
    ],
)
def test_a_repository_that_does_not_answer_is_explained(message: str, says: str) -> None:
    status = {"code": 99, "message": "other"}
    with pytest.raises(BackupError, match=says):
        parse_stanza(info(status=status, repo=[{"status": {"code": 99, "message": message}}]), "main")


def test_bytes_that_are_no_text_stay_out_of_messages() -> None:
    assert "\ufffd" not in explain("FormatError: key/value found outside of section at line 1: \ufffd\x02")


def test_a_timeline_knows_where_it_left_its_forerunners() -> None:
    text = '1\t0/9000000\tbefore 2026-11-23 05:16:25+00\n\n2\t1/0\tat restore point "p1"\n'
    assert parse_history(text) == ((1, 0x9000000), (2, 1 << 32))

"""What the module says about a path that is no device; the rest is proven on a droplet (molecule/host)."""

from pathlib import Path

from plugins.modules.block_device import look


def test_a_missing_device_does_not_exist(tmp_path: Path) -> None:
    assert look(tmp_path / "absent") == {"exists": False}


def test_a_plain_file_is_no_device(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(b"data")
    assert look(plain) == {"exists": False}

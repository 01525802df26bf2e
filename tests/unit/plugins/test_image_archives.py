"""What an archive must be, from the folder's list of checksums."""

from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError

from plugins.filter.images import archive_checksum


def test_without_a_folder_there_is_none() -> None:
    assert archive_checksum("", "auth.tar") == ""


def test_both_forms_of_sha256sum_are_read(tmp_path: Path) -> None:
    (tmp_path / "SHA256SUMS").write_text("c0ffee  auth.tar\ndecade *rest.tar\n")
    assert archive_checksum(str(tmp_path), "auth.tar") == "c0ffee"
    assert archive_checksum(str(tmp_path), "rest.tar") == "decade"


def test_an_archive_that_is_missing_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(AnsibleFilterError, match="SHA256SUMS is missing"):
        archive_checksum(str(tmp_path), "auth.tar")
    (tmp_path / "SHA256SUMS").write_text("c0ffee  auth.tar\n")
    with pytest.raises(AnsibleFilterError, match=r"has no rest\.tar; it has auth\.tar"):
        archive_checksum(str(tmp_path), "rest.tar")

"""The end of a whole run says what broke, and a suite that is not there is not counted as passed."""

from pathlib import Path

import pytest

from tests import summary

CASE = '<testsuite><testcase classname="tests.unit.test_a" name="test_b">{}</testcase></testsuite>'


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    for name in summary.SUITES:
        (tmp_path / f"{name}.xml").write_text(CASE.format(""))
    return tmp_path


def test_all_passed(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert summary.main(reports) == 0
    assert capsys.readouterr().out == f"{len(summary.SUITES)} passed, 0 failed, 0 skipped\n"


def test_a_failure_is_told_in_one_line(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (reports / "e2e.xml").write_text(CASE.format('<failure message="assert 1 == 2&#10; where">long</failure>'))
    assert summary.main(reports) == 1
    assert "failed: tests.unit.test_a::test_b: assert 1 == 2 where\n" in capsys.readouterr().out


def test_an_error_before_the_test_is_a_failure(reports: Path) -> None:
    (reports / "sql.xml").write_text(CASE.format('<error message="no server"/>'))
    assert summary.main(reports) == 1


def test_a_skip_is_told_with_its_reason(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (reports / "e2e.xml").write_text(CASE.format('<skipped message="of phase 2 already"/>'))
    assert summary.main(reports) == 0
    assert "skipped: tests.unit.test_a::test_b: of phase 2 already\n" in capsys.readouterr().out


@pytest.mark.parametrize("found", [None, "<testsuite/>"])
def test_a_suite_that_is_missing_or_empty_fails(reports: Path, found: str | None) -> None:
    path = reports / "molecule.xml"
    path.unlink() if found is None else path.write_text(found)
    assert summary.main(reports) == 1

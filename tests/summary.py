"""Adds up the JUnit reports of all suites: python -m tests.summary FOLDER.

Prints every skip with its reason and every failure with its first line, last of all: the end of a log says what broke.
Fails when a suite collected nothing or has no report.
"""

import sys
from pathlib import Path
from xml.etree import ElementTree

SUITES = ["unit", "sql", "molecule", "integration", "e2e"]
SHOWN_CHARACTERS = 300


def main(folder: Path) -> int:
    """Print the sum and return 1 when something failed or is missing."""
    passed = skipped = 0
    failures, trouble = [], []
    for name in SUITES:
        path = folder / f"{name}.xml"
        if not path.is_file():
            trouble.append(f"suite {name} left no report")
            continue
        cases = list(ElementTree.parse(path).iter("testcase"))  # noqa: S314 - written by our own pytest
        if not cases:
            trouble.append(f"suite {name} collected nothing")
        for case in cases:
            if (broken := first(case, "failure", "error")) is not None:
                failures.append(line("failed", case, broken))
            elif (skip := case.find("skipped")) is not None:
                skipped += 1
                print(line("skipped", case, skip))
            else:
                passed += 1
    for told in failures + trouble:
        print(told)
    print(f"{passed} passed, {len(failures) + len(trouble)} failed, {skipped} skipped")
    return 1 if failures or trouble else 0


def first(case: ElementTree.Element, *names: str) -> ElementTree.Element | None:
    """The first element of `case` that has one of the names."""
    return next((found for name in names if (found := case.find(name)) is not None), None)


def line(what: str, case: ElementTree.Element, told: ElementTree.Element) -> str:
    """One line: which test, and the beginning of what it said."""
    reason = " ".join((told.get("message") or "").split())
    return f"{what}: {case.get('classname')}::{case.get('name')}: {reason[:SHOWN_CHARACTERS]}"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

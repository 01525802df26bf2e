"""Adds up the JUnit reports of all suites: python -m tests.summary FOLDER.

Prints every skip with its reason. Fails when a suite collected nothing or has no report.
"""

import sys
from pathlib import Path
from xml.etree import ElementTree

SUITES = ["unit", "sql", "molecule", "integration", "e2e"]


def main(folder: Path) -> int:
    """Print the sum and return 1 when something failed or is missing."""
    passed = failed = skipped = 0
    trouble = []
    for name in SUITES:
        path = folder / f"{name}.xml"
        if not path.is_file():
            trouble.append(f"suite {name} left no report")
            continue
        cases = list(ElementTree.parse(path).iter("testcase"))  # noqa: S314 - written by our own pytest
        if not cases:
            trouble.append(f"suite {name} collected nothing")
        for case in cases:
            if case.find("failure") is not None or case.find("error") is not None:
                failed += 1
            elif (skip := case.find("skipped")) is not None:
                skipped += 1
                print(f"skipped: {case.get('classname')}::{case.get('name')}: {skip.get('message')}")
            else:
                passed += 1
    for line in trouble:
        print(line)
    print(f"{passed} passed, {failed + len(trouble)} failed, {skipped} skipped")
    return 1 if failed or trouble else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

from ops.readme import README, rendered


def test_generated_tables_are_current() -> None:
    text = README.read_text()
    assert rendered(text) == text, "renew them with: python -m ops.readme"

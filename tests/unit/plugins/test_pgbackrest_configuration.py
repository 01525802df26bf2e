"""How declared data becomes pgbackrest.conf, and what of it people get to see."""

from plugins.modules.pgbackrest_configuration import HEADER, masked, render

SECTIONS = {"main": {"pg1-path": "/data"}, "global": {"repo1-type": "s3", "compress-type": "zst"}}
SECRETS = {"repo1-cipher-pass": "c0ffee"}


def test_sections_and_options_are_in_order_and_secrets_are_global() -> None:
    assert render(SECTIONS, SECRETS) == (
        f"{HEADER}\n[global]\ncompress-type=zst\nrepo1-cipher-pass=c0ffee\nrepo1-type=s3\n\n[main]\npg1-path=/data\n"
    )


def test_neither_the_old_nor_the_new_secret_is_shown() -> None:
    for text in (render(SECTIONS, SECRETS), render(SECTIONS, {"repo1-cipher-pass": "before"})):
        shown = masked(text, SECRETS)
        assert "c0ffee" not in shown
        assert "before" not in shown
        assert "repo1-cipher-pass=********" in shown
        assert "compress-type=zst" in shown

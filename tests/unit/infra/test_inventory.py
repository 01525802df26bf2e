import json
from pathlib import Path
from typing import Any

from infra.inventory import build_inventory, complete
from tests.unit.infra.conftest import MAIL, ODOO, config

GOLDEN = Path(__file__).parent / "golden" / "inventory.json"


def inventory() -> dict[str, Any]:
    return build_inventory(
        config(
            phase="3",
            platform="acme",
            volume_size="600",
            **MAIL,
            smtp_port="2525",
            auth_signups="true",
            auth_redirect_urls='["myapp://callback"]',
            auth_google_client_id="c1",
            auth_google_client_secret="s1",
            **ODOO,
            odoo_companies='{"1": "acme"}',
        ),
        private_ip="10.110.0.2",
        volume_name="acme-data",
        volume_id="2b6f0c52-8f0a-4c43-9d5e-5a0f3c7d1e02",
        bucket_name="acme-backups-0a1b2c3d",
        bucket_endpoint="fra1.digitaloceanspaces.com",
        secrets={"db_workbench": "w" * 48},
        secret_facts={"db_workbench": {"made_at": "2026-01-02T03:04:05Z", "interval_days": 90}},
    )


def test_the_inventory_is_the_golden_file() -> None:
    assert inventory() == json.loads(GOLDEN.read_text()), "if this is meant, change the golden file with it"


def test_completing_adds_variables_and_leaves_the_original_alone() -> None:
    before = inventory()
    after = complete(before, {"ansible_host": "192.0.2.10"})
    assert after["all"]["vars"]["ansible_host"] == "192.0.2.10"
    assert after["all"]["children"] == before["all"]["children"]
    assert before == inventory()

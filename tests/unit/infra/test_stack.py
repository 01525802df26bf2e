"""What the program declares: types, names, ports, protection, and that secrets stay secret."""

import itertools
import json
from typing import Any

import pytest

from infra.components import load
from infra.phases import PHASES
from infra.secrets import IDENTIFIERS, PUBLIC
from tests.unit.infra.conftest import ACCESS_KEY, MAIL, Program, Run, config

RESOURCES = {
    "digitalocean:index/droplet:Droplet": 1,
    "digitalocean:index/sshKey:SshKey": 1,
    "digitalocean:index/vpc:Vpc": 1,
    "digitalocean:index/volume:Volume": 1,
    "digitalocean:index/volumeAttachment:VolumeAttachment": 1,
    "digitalocean:index/reservedIp:ReservedIp": 1,
    "digitalocean:index/reservedIpAssignment:ReservedIpAssignment": 1,
    "digitalocean:index/firewall:Firewall": 1,
    "digitalocean:index/spacesBucket:SpacesBucket": 1,
    "digitalocean:index/spacesKey:SpacesKey": 1,
    "digitalocean:index/project:Project": 1,
    "digitalocean:index/uptimeCheck:UptimeCheck": 1,
    "digitalocean:index/uptimeAlert:UptimeAlert": 3,
    "digitalocean:index/monitorAlert:MonitorAlert": 3,
    "pulumi-python:dynamic/platform:Secret": 23,
    "pulumi-python:dynamic/platform:SshKeyPair": 2,
    "pulumi-python:dynamic/platform:Configure": 1,
}
PROTECTED = {
    "volume",
    "reserved-ip",
    "backups",
    "secret-backup_cipher",
    "secret-pgsodium_key",
    "secret-n8n_encryption_key",
}
RETAINED = {"volume", "reserved-ip", "backups"}
# Inputs that are read at birth only; whatever else replaces a resource must not depend on the phase.
REPLACING = {
    "digitalocean:index/droplet:Droplet": {"region", "vpcUuid", "name"},
    "digitalocean:index/volume:Volume": {"region", "name"},
    "digitalocean:index/reservedIp:ReservedIp": {"region", "ipAddress"},
    "digitalocean:index/spacesBucket:SpacesBucket": {"region", "name"},
}


def counts(program: Program) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in program.declared.values():
        found[row.type] = found.get(row.type, 0) + 1
    return found


@pytest.mark.parametrize("phase", PHASES)
def test_every_phase_declares_every_kind_of_resource(run: Run, phase: int) -> None:
    assert counts(run(config(phase=str(phase)))) == RESOURCES


def test_digitalocean_dns_adds_zone_and_records(run: Run) -> None:
    program = run(config(dns_provider="digitalocean", phase="4"))
    (zone,) = program.of_type(":Domain")
    assert zone.inputs == {"name": "supabase.example.com"}
    records = {row.inputs["name"]: (row.inputs["type"], row.inputs["value"]) for row in program.of_type(":DnsRecord")}
    cname = ("CNAME", "supabase.example.com.")
    assert records == {
        "@": ("A", "192.0.2.10"), "api": cname, "auth": cname, "storage": cname, "studio": cname,
    }  # fmt: skip
    assert len({row.inputs["ttl"] for row in program.of_type(":DnsRecord")}) == 1


def test_an_existing_zone_is_written_into_and_never_owned(run: Run) -> None:
    program = run(config(dns_provider="digitalocean", dns_zone="example.com"))
    assert program.of_type(":Domain") == []
    assert {row.inputs["name"] for row in program.of_type(":DnsRecord")} == {
        "supabase", "api.supabase", "auth.supabase", "studio.supabase",
    }  # fmt: skip
    assert {row.inputs["domain"] for row in program.of_type(":DnsRecord")} == {"example.com"}


def test_external_dns_lists_the_plan_s_records(run: Run) -> None:
    program = run(config(phase="3"))
    records = {(row["name"], row["type"], row["value"]) for row in program.outputs["dns_records"]}
    domain = "supabase.example.com"
    assert records == {
        (domain, "A", "192.0.2.10"),
        *((f"{label}.{domain}", "CNAME", f"{domain}.") for label in ("api", "auth", "storage", "studio")),
    }
    assert program.of_type(":DnsRecord") == []


def test_the_firewall_opens_the_table_s_public_ports_and_ssh_to_the_named_networks_only(run: Run) -> None:
    (firewall,) = run(config(ssh_allowed_cidrs='["203.0.113.0/24", "2001:db8::/48"]')).of_type(":Firewall")
    rows = load()
    ssh = str(rows["ssh"].port("ssh"))
    inbound = {
        (rule["protocol"], rule.get("portRange", "")): sorted(rule["sourceAddresses"])
        for rule in firewall.inputs["inboundRules"]
    }
    everywhere = ["0.0.0.0/0", "::/0"]
    assert inbound == {
        **{("tcp", str(port.number)): everywhere for port in rows["nginx"].ports},
        ("tcp", ssh): ["2001:db8::/48", "203.0.113.0/24"],
        ("icmp", ""): everywhere,
    }
    assert len(firewall.inputs["inboundRules"]) == len(inbound)
    assert {rule["protocol"] for rule in firewall.inputs["outboundRules"]} == {"tcp", "udp", "icmp"}
    assert firewall.inputs["dropletIds"] == [7]


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_volume_address_and_backups_are_protected_and_outlive_the_stack(run: Run, environment: str) -> None:
    program = run(config(environment=environment))
    for name, row in program.declared.items():
        assert row.request.protect is (name in PROTECTED), name
        assert row.request.retainOnDelete is (name in RETAINED), name
    assert program.declared["backups"].inputs["forceDestroy"] is False


def test_a_throw_away_stack_can_be_destroyed_completely(run: Run) -> None:
    program = run(config(environment="staging", protect="false"))
    assert not [name for name, row in program.declared.items() if row.request.protect or row.request.retainOnDelete]
    assert program.declared["backups"].inputs["forceDestroy"] is True


def test_what_would_replace_a_live_droplet_counts_at_birth_only(run: Run) -> None:
    droplet = run(config()).declared["droplet"]
    assert set(droplet.request.ignoreChanges) == {"image", "userData", "sshKeys"}
    assert droplet.inputs["resizeDisk"] is False
    assert droplet.inputs["monitoring"] is True


def test_the_volume_arrives_blank_and_moves_by_detaching_first(run: Run) -> None:
    program = run(config())
    assert program.declared["volume"].inputs == {
        "name": "supabase-data", "region": "fra1", "size": 500, "description": "Data of supabase", "tags": ["supabase"],
    }  # fmt: skip
    assert program.declared["volume-attachment"].request.deleteBeforeReplace


def test_backups_are_private_and_versioned(run: Run) -> None:
    bucket = run(config()).declared["backups"].inputs
    assert bucket["acl"] == "private"
    assert bucket["versioning"] == {"enabled": True}
    assert bucket["name"].startswith("supabase-backups-")


def test_the_server_s_key_opens_the_backup_bucket_alone(run: Run) -> None:
    program = run(config())
    key = program.declared["backup-key"]
    bucket = program.declared["backups"].inputs["name"]
    assert key.inputs == {"name": "supabase-backup-1", "grants": [{"bucket": bucket, "permission": "readwrite"}]}
    variables = program.outputs["inventory"]["all"]["vars"]
    assert variables["platform_backup_bucket"] == {
        "name": bucket, "endpoint": "fra1.digitaloceanspaces.com", "region": "fra1",
    }  # fmt: skip
    assert variables["platform_secrets"]["backup_access_key"] == ACCESS_KEY
    assert variables["platform_secret_facts"]["backup_secret_key"] == {
        "made_at": "2026-01-02T03:04:05Z", "interval_days": 90, "due_at": "2026-04-02T03:04:05Z", "previous": None,
    }  # fmt: skip


def test_a_new_generation_replaces_the_server_s_key_and_the_old_one_goes_last(run: Run) -> None:
    key = run(config(rotations='{"backup_key": 2}')).declared["backup-key"]
    assert key.inputs["name"] == "supabase-backup-2"
    assert list(key.request.replaceOnChanges) == ["name"]
    assert not key.request.deleteBeforeReplace


def test_alerts_reach_the_operator(run: Run) -> None:
    program = run(config())
    for row in program.of_type(":MonitorAlert"):
        assert row.inputs["alerts"] == {"emails": ["ops@example.com"]}
        assert row.inputs["entities"] == ["7"]
    for row in program.of_type(":UptimeAlert"):
        assert row.inputs["notifications"] == [{"emails": ["ops@example.com"]}]
    disk = program.declared["alert-disk"].inputs
    assert (disk["value"], disk["compare"]) == (80, "GreaterThan")


def test_nothing_secret_leaves_the_program_unmarked(run: Run) -> None:
    program = run(config())
    assert program.secret_outputs == {"secrets", "inventory", "ssh_private_key"}
    secret = [value for name, value in program.outputs["secrets"].items() if name not in {*PUBLIC, *IDENTIFIERS}]
    secret.append(program.outputs["ssh_private_key"])
    # The host's private key is nobody's output; it is found where the droplet gets it.
    user_data = json.loads(program.declared["droplet"].inputs["userData"].removeprefix("#cloud-config\n"))
    secret.append(user_data["ssh_keys"]["ed25519_private"])

    def hides(text: str) -> bool:
        return not any(json.dumps(value)[1:-1] in text for value in secret)

    for name, value in program.outputs.items():
        assert name in program.secret_outputs or hides(json.dumps(value)), name
    for row in program.declared.values():
        clear = {key: value for key, value in row.inputs.items() if key not in row.secret_inputs}
        assert hides(json.dumps(clear)), row.name
    for row in program.of_type(":Secret") + program.of_type(":SshKeyPair"):
        assert "value" in row.request.additionalSecretOutputs


def test_secrets_of_others_reach_the_server_and_nobody_else(run: Run) -> None:
    given = {"smtp_password": "of-the-mail-server", "auth_github_client_secret": "of-github"}
    program = run(config(**MAIL, smtp_user="u", auth_github_client_id="c", **given))
    held = program.outputs["inventory"]["all"]["vars"]["platform_secrets"]
    assert {name: held[name] for name in given} == given
    assert "inventory" in program.declared["server"].secret_inputs
    shown = {name: value for name, value in program.outputs.items() if name != "inventory"}
    clear = [{k: v for k, v in row.inputs.items() if k not in row.secret_inputs} for row in program.declared.values()]
    for value in given.values():
        assert value not in json.dumps([shown, clear], default=str)
        assert value not in repr(config(**MAIL, smtp_user="u", auth_github_client_id="c", **given))


def test_user_data_only_makes_ansible_possible(run: Run) -> None:
    program = run(config())
    text = program.declared["droplet"].inputs["userData"]
    document = json.loads(text.removeprefix("#cloud-config\n"))
    (user,) = document["users"]
    assert user["name"] == "deploy"
    assert user["ssh_authorized_keys"] == [program.outputs["public_keys"]["ssh"]]
    assert user["lock_passwd"] is True
    assert document["disable_root"] is True
    assert document["ssh_pwauth"] is False
    assert document["ssh_keys"]["ed25519_public"] == program.outputs["ssh_host_public_key"]
    assert set(document) == {"disable_root", "ssh_pwauth", "ssh_deletekeys", "ssh_keys", "users"}


def without_secrets(inputs: dict[str, Any], secret: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in inputs.items() if key not in secret}


def test_promotion_changes_properties_in_place_and_never_a_name_or_place(run: Run) -> None:
    programs = [run(config(phase=str(number))) for number in PHASES]
    for before, after in itertools.pairwise(programs):
        assert before.declared.keys() == after.declared.keys()
        changed = {}
        for name, row in before.declared.items():
            old = without_secrets(row.inputs, row.secret_inputs)
            new = without_secrets(after.declared[name].inputs, row.secret_inputs)
            keys = {key for key in old if old[key] != new[key]}
            assert not keys & REPLACING.get(row.type, set()), f"{name} would be replaced: {keys}"
            if keys and not row.type.startswith("pulumi-python:") and name != "client-key":
                changed[name] = keys
        assert changed in ({}, {"droplet": {"size"}})


def test_physical_names_derive_from_the_platform_never_from_phase_or_stack(run: Run) -> None:
    for program in (run(config(platform="acme", phase=str(number))) for number in PHASES):
        for row in program.declared.values():
            name = row.inputs.get("name")
            if row.type.startswith("digitalocean:") and name is not None and not row.type.endswith(":DnsRecord"):
                assert "acme" in name, row.name
                assert "phase" not in name
                assert "test" not in name


def test_the_audit_is_public_and_says_what_is_declared(run: Run) -> None:
    program = run(config(phase="2"))
    audit = program.outputs["audit"]
    assert audit["platform"]["phase"] == 2
    assert audit["server"] is None
    assert audit["drift"] == []
    assert {"protocol": "tcp", "ports": "22", "sources": ["203.0.113.7/32"]} in audit["declared"]["firewall"]
    assert "n8n" in audit["declared"]["components"]
    assert "storage" not in audit["declared"]["components"]
    assert {row["name"] for row in audit["secrets"]} | {"jwks", "jwt_signing_keys"} == set(program.outputs["secrets"])

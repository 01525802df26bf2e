"""Domains and records as zone files, checked by an independent parser."""

from typing import Any

import dns.zone

from sandbox.services.dns import zone


def parse(*records: dict[str, Any]) -> dns.zone.Zone:
    complete = [{"domain": "example.test", "ttl": 300, **record} for record in records]
    account = {"dns_records": {str(number): record for number, record in enumerate(complete)}}
    return dns.zone.from_text(zone("example.test", account, 7), origin="example.test.", relativize=False)


def texts(parsed: dns.zone.Zone, name: str, kind: str) -> list[str]:
    return sorted(item.to_text() for item in parsed.find_rdataset(name, kind))


def test_zone_has_serial_and_name_servers() -> None:
    parsed = parse()
    assert " 7 " in texts(parsed, "example.test.", "SOA")[0]
    assert "ns1.digitalocean.com." in texts(parsed, "example.test.", "NS")


def test_every_type_is_written_as_the_standard_wants() -> None:
    parsed = parse(
        {"type": "A", "name": "@", "value": "192.0.2.1"},
        {"type": "AAAA", "name": "@", "value": "2001:db8::1"},
        {"type": "CNAME", "name": "api", "value": "example.test."},
        {"type": "MX", "name": "@", "value": "mail.example.test.", "priority": 10},
        {"type": "SRV", "name": "_sip._tcp", "value": "sip.example.test.", "priority": 1, "weight": 2, "port": 5060},
        {"type": "CAA", "name": "@", "value": "letsencrypt.org", "flags": 0, "tag": "issue"},
        {"type": "A", "name": "*", "value": "192.0.2.2"},
    )
    assert texts(parsed, "example.test.", "A") == ["192.0.2.1"]
    assert texts(parsed, "example.test.", "AAAA") == ["2001:db8::1"]
    assert texts(parsed, "api.example.test.", "CNAME") == ["example.test."]
    assert texts(parsed, "example.test.", "MX") == ["10 mail.example.test."]
    assert texts(parsed, "_sip._tcp.example.test.", "SRV") == ["1 2 5060 sip.example.test."]
    assert texts(parsed, "example.test.", "CAA") == ['0 issue "letsencrypt.org"']
    assert texts(parsed, "*.example.test.", "A") == ["192.0.2.2"]


def test_text_cannot_break_out_of_its_record() -> None:
    hostile = 'a" \n@ 300 IN A 192.0.2.66 ; \\'
    parsed = parse({"type": "TXT", "name": "@", "value": hostile}, {"type": "TXT", "name": "long", "value": "x" * 600})
    assert parsed.get_rdataset("example.test.", "A") is None
    (long,) = parsed.find_rdataset("long.example.test.", "TXT")
    assert [len(part) for part in long.strings] == [255, 255, 90]

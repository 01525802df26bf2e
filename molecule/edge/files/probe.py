"""Asks the edge as strangers do, and says what is not as promised; curl is the client.

usage: probe.py ROOT DOMAIN STUDIO-PASSWORD DOCUMENTATION-PASSWORD
"""

import json
import subprocess
import sys
import tempfile

ROOT, DOMAIN, PASSWORD, READING = sys.argv[1:]
API, AUTH, STUDIO, STORAGE = (f"{label}.{DOMAIN}" for label in ("api", "auth", "studio", "storage"))
LIES = [
    *("X-Forwarded-For: 1.2.3.4", "X-Real-IP: 1.2.3.4", "X-Forwarded-Proto: http", "X-Forwarded-Host: evil.test"),
    *("X-Forwarded-Port: 1", "X-Forwarded-Prefix: /evil", "X-Original-URL: /admin", "Forwarded: for=1.2.3.4"),
]
wrong: list[str] = []


def curl(
    host: str, path: str, *options: str, address: str = "127.0.0.1", scheme: str = "https"
) -> tuple[int, str, str]:
    """Status (0: no answer), headers and body of one request."""
    with tempfile.NamedTemporaryFile("r") as headers:
        done = subprocess.run(
            ["curl", "--silent", "--path-as-is", "--max-time", "20", "--cacert", ROOT, "--dump-header", headers.name,
             "--connect-to", f"::{address}:", "--write-out", "\n%{http_code}", *options, f"{scheme}://{host}{path}"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        body, _, status = done.stdout.rpartition("\n")
        return int(status), headers.read().lower(), body


def expect(what: str, seen: object, wanted: object) -> None:
    if seen != wanted:
        wrong.append(f"{what}: {seen!r}, not {wanted!r}")


def told(host: str, path: str, *options: str) -> dict[str, list[str]]:
    """The headers that came through, by name."""
    status, _, body = curl(host, path, *options)
    found: dict[str, list[str]] = {}
    for name, value in json.loads(body)["headers"] if status == 200 else []:
        found.setdefault(name, []).append(value)
    return found


for version in ("--http1.1", "--http2"):
    lies = [word for lie in LIES for word in ("--header", lie)]
    headers = told(API, "/rest/v1/t?apikey=hidden-token", version, *lies)
    truth = {"host": API, "x-real-ip": "127.0.0.1", "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "https",
             "x-forwarded-host": API, "x-forwarded-port": "443"}  # fmt: skip
    for name, value in truth.items():
        expect(f"{name} {version}", headers.get(name), [value])
    for name in ("x-forwarded-prefix", "x-original-url", "forwarded", "upgrade"):
        expect(f"{name} {version}", headers.get(name), None)

for path in ("/hooks/hidden-token", "/hooks//hidden-token", "/hooks/%68idden-token"):
    expect(path, json.loads(curl(API, path)[2])["path"], path)

status, headers_text, body = curl(API, "/rest/v1/t?a=%2F..&b=c")
expect("the query as it was", json.loads(body)["path"], "/rest/v1/t?a=%2F..&b=c")
expect("HSTS", headers_text.count("strict-transport-security"), 1)
for header in ("max-age=63072000; includesubdomains", "x-content-type-options: nosniff", "referrer-policy:"):
    expect(header, header in headers_text, wanted=True)
for header in ("x-powered-by", "server: nginx/"):
    expect(header, header in headers_text, wanted=False)
expect("HTTP/2", curl(API, "/rest/v1/t")[1].startswith("http/2 200"), wanted=True)

for host, path, wanted in [
    (API, "/", 200),  # the gateway refuses what it does not know
    (AUTH, "/auth/v1", 200),
    (AUTH, "/auth/v1/verify?token=hidden-token", 200),
    (AUTH, "/auth/v1evil", 404),
    (AUTH, "/rest/v1/t", 404),
    (AUTH, "/", 404),
    (AUTH, "/auth/v1/../../rest/v1/t", 400),
    (AUTH, "/auth/v1/%2e%2E/x", 400),
    (AUTH, "/rest/v1/t%2f..%2f..%2f..%2fauth/v1/x", 400),
    (API, "/storage/v1/a%5c..%5cb", 400),
    (API, "/rest/v1/t%00", 400),
    (STORAGE, "/storage/v1/object/x", 503),  # planned in this scenario
    (STORAGE, "/auth/v1/x", 404),
    (DOMAIN, "/", 200),
    (DOMAIN, "/missing", 404),
    (DOMAIN, "/.hidden", 404),
    (DOMAIN, "/auth/v1/x", 404),
    (DOMAIN, "/database", 301),
    (DOMAIN, "/database/", 401),
    (DOMAIN, "/database/index.html", 401),
    (DOMAIN, "//database/", 401),
    (DOMAIN, "/%64atabase/", 401),
    (DOMAIN, "/database/missing", 401),
    (DOMAIN, "/sync/", 401),
    (DOMAIN, "/sync/metrics.prom", 401),
    (DOMAIN, "/%73ync/metrics.prom", 401),
    (STUDIO, "/", 401),
]:
    expect(f"https://{host}{path}", curl(host, path)[0], wanted)
expect("POST to the pages", curl(DOMAIN, "/", "--data", "x")[0], 403)
for header in ("x-frame-options: deny", "content-security-policy: default-src 'none'"):
    expect(header, header in curl(DOMAIN, "/")[1], wanted=True)

for path, user, wanted in [
    ("/database/", f"reader:{READING}", 200),
    ("/database/missing", f"reader:{READING}", 404),
    ("/database/", "reader:wrong", 401),
    ("/sync/", f"reader:{READING}", 200),
    ("/sync/metrics.prom", f"reader:{READING}", 200),
    ("/sync/stolen.txt", f"reader:{READING}", 404),  # a link to what another user owns
    ("/sync/", f"operator:{PASSWORD}", 401),
    ("/database/", f"operator:{PASSWORD}", 401),
]:
    expect(f"{path} as {user}", curl(DOMAIN, path, "--user", user)[0], wanted)
headers_text = curl(DOMAIN, "/sync/", "--user", f"reader:{READING}")[1]
for header in ("cache-control: no-cache", "content-security-policy: default-src 'none'"):
    expect(f"{header} of the page about the sync", header in headers_text, wanted=True)
expect("a reader at Studio's", curl(STUDIO, "/", "--user", f"reader:{READING}")[0], 401)
for path in ("/mcp", "/mcp/x", "/api/mcp", "/api/mcp?x", "/%61pi/mcp", "//api//mcp"):
    expect(f"Studio's {path}", curl(STUDIO, path, "--user", f"operator:{PASSWORD}")[0], 404)
expect("a path that only begins like it", curl(STUDIO, "/mcpx", "--user", f"operator:{PASSWORD}")[0], 200)
expect("a wrong password", curl(STUDIO, "/", "--user", "operator:wrong")[0], 401)
expect("the right password", curl(STUDIO, "/", "--user", f"operator:{PASSWORD}")[0], 200)
expect("what Studio learns of it", told(STUDIO, "/", "--user", f"operator:{PASSWORD}").get("authorization"), None)
own = subprocess.check_output(["hostname", "--all-ip-addresses"], text=True).split()[0]
expect("Studio from elsewhere", curl(STUDIO, "/", "--user", f"operator:{PASSWORD}", address=own)[0], 403)
expect("the API from elsewhere", told(API, "/x").get("x-real-ip"), ["127.0.0.1"])

with tempfile.NamedTemporaryFile() as body_file:
    for host, path, size, wanted in [
        (API, "/auth/v1/token", 2, 413),
        (API, "/rest/v1/t", 2, 200),
        (API, "/rest/v1/t", 21, 413),
        (API, "/storage/v1/object/b/o", 40, 200),
        (API, "/elsewhere", 2, 413),
    ]:
        body_file.truncate(size << 20)
        seen = curl(host, path, "--request", "POST", "--data-binary", f"@{body_file.name}", "--header", "Expect:")[0]
        expect(f"{size} MB to {path}", seen, wanted)

socket = ("--http1.1", "--header", "Connection: Upgrade", "--header", "Upgrade: websocket")
expect("a websocket", curl(API, "/realtime/v1/websocket?apikey=hidden-token", *socket)[0], 101)
expect("a websocket elsewhere", curl(API, "/rest/v1/t", *socket)[0], 200)
cleartext = ("--http1.1", "--header", "Connection: Upgrade, HTTP2-Settings", "--header", "Upgrade: h2c")
expect("an upgrade to HTTP/2 without TLS", told(API, "/realtime/v1/x", *cleartext).get("upgrade"), None)

expect("an unknown name", curl(f"other.{DOMAIN}", "/")[0], 0)
expect("no name", curl("127.0.0.1", "/")[0], 0)
expect("another name in the request", curl(API, "/", "--header", "Host: other.test")[0], 0)
expect("an unknown name without TLS", curl(f"other.{DOMAIN}", "/", scheme="http")[0], 0)
status, headers_text, _ = curl(API, "/rest/v1/t?a=b", "--data", "x", scheme="http")
expect("without TLS", (status, f"location: https://{API}/rest/v1/t?a=b" in headers_text), (308, True))
expect("HSTS without TLS", "strict-transport" in headers_text, wanted=False)

for options, wanted in [
    (("--tlsv1.3",), 200),
    (("--tlsv1.2", "--tls-max", "1.2"), 200),
    (("--tlsv1.1", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"), 0),
    (("--tlsv1.2", "--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-AES128-SHA256"), 0),
    (("--tlsv1.2", "--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256"), 200),
]:
    expect(" ".join(options), curl(API, "/", *options)[0], wanted)

journal = subprocess.check_output(["journalctl", "--unit", "nginx", "--output", "cat", "--no-pager"], text=True)
lines = [json.loads(line) for line in journal.splitlines() if line.startswith("{")]
expect("a line for each of many requests", len(lines) > 40, wanted=True)
expect("the address", {line["address"] for line in lines} <= {"127.0.0.1", own}, wanted=True)
expect("tokens in the journal", "hidden-token" in journal, wanted=False)
expect("hooks in the journal", {line["path"] for line in lines if "/hooks/" in line["path"]}, {"/hooks/*"})
expect("who asked", any(line["path"] == "/auth/v1/verify" and line["host"] == AUTH for line in lines), wanted=True)
sys.exit("\n".join(wrong) or 0)

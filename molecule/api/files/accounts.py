"""A person's way through Auth, as its clients go it: each step must end as promised, or the program does.

usage: accounts.py make URL PUBLIC SITE    sign up, confirm by mail, sign in, refresh, recover; keeps the session
       accounts.py stay URL ALGORITHM      the kept session goes on, and new tokens are signed with ALGORITHM
       accounts.py closed URL              sign-up is refused
       accounts.py whole URL               second factors, administration and limits, which only the real service has;
                                           the service role's token on standard input
"""

import base64
import email
import email.policy
import hmac
import html
import json
import re
import secrets
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

BOX, SESSION = Path("/srv/mails/new"), Path("/root/session.json")


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args):
        return None


OPENER = urllib.request.build_opener(NoRedirect)


def ask(
    method: str, url: str, body: object = None, token: str = "", address: str = "203.0.113.7"
) -> tuple[int, dict, str]:
    """Status, what was answered, and where to go on."""
    headers = {"Content-Type": "application/json", "X-Real-IP": address}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310
    try:
        with OPENER.open(request, timeout=20) as answer:
            text, status, location = answer.read(), answer.status, answer.headers.get("Location", "")
    except urllib.error.HTTPError as refused:
        text, status, location = refused.read(), refused.code, refused.headers.get("Location", "")
    return status, json.loads(text) if text.startswith(b"{") else {}, location


def expect(seen: object, wanted: object, what: str) -> None:
    if seen != wanted:
        sys.exit(f"{what}: {seen!r}, not {wanted!r}")


def part(token: str, number: int) -> dict:
    text = token.split(".")[number]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def mailed(recipient: str, kind: str, public: str) -> str:
    """The link of a kind that was mailed to somebody; it leads to the platform's public name."""
    for _ in range(100):
        for path in sorted(BOX.glob("*"), key=lambda path: path.stat().st_mtime_ns, reverse=True):
            mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            if mail["X-RcptTo"] != recipient:
                continue
            text = html.unescape(mail.get_body(("plain", "html")).get_content())
            for link in re.findall(r"https?://[^\s\"'<>)]+", text):
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(link).query)
                if query.get("type") == [kind]:
                    expect(link.split("?")[0], f"{public}/verify", "the link's place")
                    return link
        time.sleep(0.1)
    sys.exit(f"no mail with a link of type {kind} for {recipient}")


def follow(url: str, link: str, public: str, site: str) -> dict[str, str]:
    """What the browser is sent home with, after the gateway took the public prefix away."""
    status, _, location = ask("GET", link.replace(public, url))
    expect((status in (302, 303), location.split("#")[0].rstrip("/")), (True, site), "where the link leads")
    return dict(urllib.parse.parse_qsl(location.partition("#")[2]))


def sign_in(url: str, person: dict[str, str]) -> tuple[int, dict]:
    status, session, _ = ask("POST", f"{url}/token?grant_type=password", person)
    return status, session


def make(url: str, public: str, site: str) -> None:
    person = {"email": f"ada-{secrets.token_hex(4)}@api.test", "password": secrets.token_urlsafe(16)}
    expect(ask("POST", f"{url}/signup", {**person, "password": "short"})[0] // 100, 4, "a short password")
    status, user, _ = ask("POST", f"{url}/signup", person)
    expect((status, user.get("access_token")), (200, None), "a sign-up")
    expect(sign_in(url, person)[0], 400, "a sign-in before the address is confirmed")

    link = mailed(person["email"], "signup", public)
    home = follow(url, link, public, site)
    expect(part(home["access_token"], 1)["email"], person["email"], "whose token it is")
    again = follow(url, link, public, site)
    expect(again.get("access_token"), None, "the token of a link that is used twice")

    status, session = sign_in(url, person)
    expect(status, 200, "a sign-in")
    claims = part(session["access_token"], 1)
    wanted = {"iss": public, "aud": "authenticated", "role": "authenticated", "aal": "aal1", "is_anonymous": False}
    expect({name: claims.get(name) for name in wanted}, wanted, "the claims")
    expect((claims.get("org_role"), len(claims.get("org_id", ""))), ("owner", 36), "the organisation in the token")
    status, session, _ = ask(
        "POST", f"{url}/token?grant_type=refresh_token", {"refresh_token": session["refresh_token"]}
    )
    expect(status, 200, "a refresh")
    expect(part(session["access_token"], 1).get("org_id"), claims["org_id"], "the organisation after a refresh")

    fresh = secrets.token_urlsafe(16)
    elsewhere = urllib.parse.quote("https://elsewhere.example/steal")
    expect(ask("POST", f"{url}/recover?redirect_to={elsewhere}", {"email": person["email"]})[0], 200, "a recovery")
    home = follow(url, mailed(person["email"], "recovery", public), public, site)
    expect(ask("PUT", f"{url}/user", {"password": fresh}, home["access_token"])[0], 200, "a new password")
    expect(sign_in(url, person)[0], 400, "the old password")
    person["password"] = fresh
    status, session = sign_in(url, person)
    expect(status, 200, "the new password")

    forged = session["access_token"][:-6] + "AAAAAA"
    expect(ask("GET", f"{url}/user", token=forged)[0] // 100, 4, "a forged token")
    expect(ask("GET", f"{url}/user", token=session["access_token"])[0], 200, "one's own account")
    SESSION.write_text(json.dumps({"person": person, "session": session}))


def stay(url: str, algorithm: str) -> None:
    kept = json.loads(SESSION.read_text())
    token, refresh = kept["session"]["access_token"], kept["session"]["refresh_token"]
    expect(ask("GET", f"{url}/user", token=token)[0], 200, "the token from before")
    status, session, _ = ask("POST", f"{url}/token?grant_type=refresh_token", {"refresh_token": refresh})
    expect(status, 200, "the session from before")
    header = part(session["access_token"], 0)
    expect(header["alg"], algorithm, "what signs")
    _, published, _ = ask("GET", f"{url}/.well-known/jwks.json")
    names = [key["kid"] for key in published["keys"]]
    expect(header["kid"] in names, algorithm == "ES256", "the key is published")
    expect(ask("GET", f"{url}/user", token=session["access_token"])[0], 200, "the new token")
    SESSION.write_text(json.dumps({**kept, "session": session}))


def closed(url: str) -> None:
    person = {"email": f"eve-{secrets.token_hex(4)}@api.test", "password": secrets.token_urlsafe(16)}
    status, answer, _ = ask("POST", f"{url}/signup", person)
    expect((status, answer.get("error_code")), (422, "signup_disabled"), "a sign-up")


def one_time(secret: str) -> str:
    """The code of an authenticator app (RFC 6238) at this moment."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, int(time.time() // 30).to_bytes(8), "sha1")
    start = digest[-1] & 15
    return f"{(int.from_bytes(digest[start : start + 4]) & 0x7FFFFFFF) % 10**6:06}"


def whole(url: str) -> None:
    service = sys.stdin.read().strip()
    token = json.loads(SESSION.read_text())["session"]["access_token"]
    status, factor, _ = ask("POST", f"{url}/factors", {"factor_type": "totp", "friendly_name": "phone"}, token)
    expect(status, 200, "a second factor")
    _, challenge, _ = ask("POST", f"{url}/factors/{factor['id']}/challenge", {}, token)
    wrong = {"challenge_id": challenge["id"], "code": "000000"}
    expect(ask("POST", f"{url}/factors/{factor['id']}/verify", wrong, token)[0], 422, "a wrong code")
    right = {"challenge_id": challenge["id"], "code": one_time(factor["totp"]["secret"])}
    status, session, _ = ask("POST", f"{url}/factors/{factor['id']}/verify", right, token)
    expect(status, 200, "the right code")
    expect(part(session["access_token"], 1)["aal"], "aal2", "the level of the session")

    expect(ask("GET", f"{url}/admin/users", token=token)[0], 403, "administration with a person's token")
    status, listed, _ = ask("GET", f"{url}/admin/users", token=service)
    expect((status, len(listed["users"]) > 0), (200, 1), "administration with the service role's token")
    invited = f"bea-{secrets.token_hex(4)}@api.test"
    expect(ask("POST", f"{url}/invite", {"email": invited}, service)[0], 200, "an invitation")

    nobody = {"email": "nobody@api.test"}
    seen = {ask("POST", f"{url}/recover", nobody, address="203.0.113.8")[0] for _ in range(40)}
    expect(seen, {200, 429}, "forty requests for mails")
    expect(ask("POST", f"{url}/recover", nobody, address="203.0.113.9")[0], 200, "another address")


{"make": make, "stay": stay, "closed": closed, "whole": whole}[sys.argv[1]](*sys.argv[2:])

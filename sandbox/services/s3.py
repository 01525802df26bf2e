"""The few S3 calls a bucket resource needs, signed with AWS Signature Version 4."""

import base64
import datetime
import hashlib
import hmac
import http.client
import ssl
import time
import urllib.parse
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from sandbox.errors import SandboxError

_REGION = "us-east-1"
_TIMEOUT_SECONDS = 30
_RETRY_SECONDS = 0.2
_DELETE_BATCH = 1000


class S3Error(SandboxError):
    """The server's refusal."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """Refuse with a status, an S3 error code and a text."""
        super().__init__(f"object storage: {code or status}: {message}")
        self.status, self.code = status, code


class S3:
    """A client of one server, addressing buckets by path."""

    def __init__(self, host: str, access_key: str, secret_key: str, ca_file: Path) -> None:
        """Talk to `host` with TLS checked against `ca_file`."""
        self._host, self._access_key, self._secret_key = host, access_key, secret_key
        self._context = ssl.create_default_context(cafile=str(ca_file))

    def create(self, bucket: str) -> None:
        """Create a bucket."""
        self._call("PUT", bucket)

    def exists(self, bucket: str) -> bool:
        """Whether a bucket exists and is ours."""
        try:
            self._call("HEAD", bucket)
        except S3Error as error:
            if error.status == http.client.NOT_FOUND:
                return False
            raise
        return True

    def set_versioning(self, bucket: str, *, enabled: bool) -> None:
        """Switch versioning on, or suspend it."""
        status = "Enabled" if enabled else "Suspended"
        self._call(
            "PUT", bucket, "versioning", f"<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>"
        )

    def versioning(self, bucket: str) -> bool:
        """Whether versioning is on."""
        return _texts(self._call("GET", bucket, "versioning"), "Status") == ["Enabled"]

    def set_lifecycle(self, bucket: str, rules: str) -> None:
        """Put the lifecycle rules given as XML elements; none removes the configuration."""
        if rules:
            self._call("PUT", bucket, "lifecycle", f"<LifecycleConfiguration>{rules}</LifecycleConfiguration>")
        else:
            self._call("DELETE", bucket, "lifecycle")

    def empty(self, bucket: str) -> None:
        """Delete every version of every object."""
        while True:
            listing = _parse(self._call("GET", bucket, f"versions=&max-keys={_DELETE_BATCH}"))
            entries = [entry for entry in listing.iter() if _local(entry) in ("Version", "DeleteMarker")]
            if not entries:
                return
            objects = ""
            for entry in entries:
                fields = {_local(child): child.text or "" for child in entry}
                key, version = escape(fields["Key"]), escape(fields["VersionId"])
                objects += f"<Object><Key>{key}</Key><VersionId>{version}</VersionId></Object>"
            self._call("POST", bucket, "delete", f"<Delete><Quiet>true</Quiet>{objects}</Delete>")

    def delete(self, bucket: str) -> None:
        """Delete an empty bucket."""
        self._call("DELETE", bucket)

    def _call(self, method: str, bucket: str, query: str = "", body: str = "") -> bytes:
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while True:
            try:
                return self._call_once(method, bucket, query, body)
            except S3Error as error:  # a server that has just started, or is busy, asks for patience
                if error.status != http.client.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                    raise
            time.sleep(_RETRY_SECONDS)

    def _call_once(self, method: str, bucket: str, query: str, body: str) -> bytes:
        query = "&".join(sorted(part if "=" in part else f"{part}=" for part in query.split("&"))) if query else ""
        path, payload = f"/{urllib.parse.quote(bucket)}", body.encode()
        headers = self._sign(method, path, query, payload)
        connection = http.client.HTTPSConnection(self._host, timeout=_TIMEOUT_SECONDS, context=self._context)
        try:
            connection.request(method, f"{path}?{query}" if query else path, payload or None, headers)
            response = connection.getresponse()
            answer = response.read()
        except OSError as error:
            raise SandboxError(f"object storage at {self._host} cannot be reached: {error}") from None
        finally:
            connection.close()
        if response.status >= http.client.BAD_REQUEST:
            code, message = (
                ["", ""] if not answer else [(_texts(answer, tag) or [""])[0] for tag in ("Code", "Message")]
            )
            raise S3Error(response.status, code, message or response.reason)
        return answer

    def _sign(self, method: str, path: str, query: str, payload: bytes) -> dict[str, str]:
        moment = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{moment[:8]}/{_REGION}/s3/aws4_request"
        digest = hashlib.sha256(payload).hexdigest()
        headers = {
            "content-md5": base64.b64encode(hashlib.md5(payload, usedforsecurity=False).digest()).decode(),
            "host": self._host,
            "x-amz-content-sha256": digest,
            "x-amz-date": moment,
        }
        names = ";".join(headers)
        canonical = "\n".join(
            [method, path, query, *[f"{name}:{value}" for name, value in headers.items()], "", names, digest]
        )
        to_sign = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = f"AWS4{self._secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
        credential = (
            f"AWS4-HMAC-SHA256 Credential={self._access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        return headers | {"authorization": credential}


def _parse(document: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(document)  # noqa: S314 from the sandbox's own server, over checked TLS


def _local(element: ElementTree.Element) -> str:
    """An element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def _texts(document: bytes, tag: str) -> list[str]:
    return [element.text or "" for element in _parse(document).iter() if _local(element) == tag]

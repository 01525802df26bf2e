"""The rules as pure functions: a stack's resources in, one sentence per violation out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.components import load
from infra.phases import PHASES
from infra.secrets import BACKUP_KEY, BACKUP_KEY_INTERVAL_DAYS, is_published

ANYWHERE = {"0.0.0.0/0", "::/0"}
# After its interval a secret is due, which warns; this much later it stops the deployment.
GRACE = timedelta(days=30)
PROTECTED = ("Volume", "ReservedIp", "SpacesBucket")


@dataclass(frozen=True)
class Resource:
    """What a rule needs to know of a resource; `kind` is the last part of its type."""

    kind: str
    name: str
    props: Mapping[str, Any]
    protect: bool = False


type Resources = Sequence[Resource]


def _of(resources: Resources, kind: str) -> Iterator[Resource]:
    return (row for row in resources if row.kind == kind)


def _declared(resources: Resources, fact: str, default: Any) -> Any:
    return next((row.props["declared"][fact] for row in _of(resources, "Configure")), default)


def _production(resources: Resources) -> bool:
    # A stack that does not say what it is gets the strict rules.
    return bool(_declared(resources, "environment", "production") == "production")


def _ports(rule: Mapping[str, Any]) -> range:
    first, _, last = str(rule.get("portRange") or "").partition("-")
    if first in {"", "all", "0"}:
        return range(1, 65536)
    return range(int(first), int(last or first) + 1)


def _tcp_rules(resources: Resources) -> Iterator[tuple[Resource, Mapping[str, Any]]]:
    for firewall in _of(resources, "Firewall"):
        for rule in firewall.props.get("inboundRules") or ():
            if rule["protocol"] == "tcp":
                yield firewall, rule


def no_private_port_open(resources: Resources, _now: datetime) -> Iterator[str]:
    """Databases and everything else that the component table does not call public stay unreachable from outside."""
    private = {p.number: row.title for row in load() for p in row.ports if p.bind != "public"}
    for firewall, rule in _tcp_rules(resources):
        for number in sorted(private.keys() & set(_ports(rule))):
            yield f"firewall {firewall.name} opens port {number} ({private[number]}), which is not public"


def ssh_not_open_to_the_world(resources: Resources, _now: datetime) -> Iterator[str]:
    """In production SSH is for the operator's networks."""
    port = load()["ssh"].port("ssh")
    for firewall, rule in _tcp_rules(resources):
        if _production(resources) and port in _ports(rule) and ANYWHERE & set(rule.get("sourceAddresses") or ()):
            yield f"firewall {firewall.name} opens SSH to the whole internet; set ssh_allowed_cidrs"


def droplets_are_behind_a_firewall(resources: Resources, _now: datetime) -> Iterator[str]:
    """A droplet without a cloud firewall is open."""
    if any(_of(resources, "Droplet")) and not any(_of(resources, "Firewall")):
        yield "the droplet has no cloud firewall"


def data_is_protected(resources: Resources, _now: datetime) -> Iterator[str]:
    """In production volume, address and backups refuse to be destroyed."""
    for row in resources:
        if _production(resources) and row.kind in PROTECTED and not row.protect:
            yield f"{row.kind} {row.name} is not protected; set protect to true"


def volume_is_large_enough(resources: Resources, _now: datetime) -> Iterator[str]:
    """In production the volume has at least what the plan foresees for the phase."""
    phase = PHASES[int(_declared(resources, "phase", max(PHASES)))]
    for row in _of(resources, "Volume"):
        if _production(resources) and row.props["size"] < phase.storage_gb:
            size = f"{row.props['size']:.0f}"
            yield f"volume {row.name} has {size} GB; phase {phase.number} needs {phase.storage_gb}"


def backups_leave_the_machine(resources: Resources, _now: datetime) -> Iterator[str]:
    """There is a private, versioned bucket for the backups."""
    if not any(_of(resources, "SpacesBucket")):
        yield "there is no Spaces bucket, so backups would stay on the machine they protect"
    for row in _of(resources, "SpacesBucket"):
        if row.props.get("acl") != "private":
            yield f"bucket {row.name} is not private"
        if not (row.props.get("versioning") or {}).get("enabled"):
            yield f"bucket {row.name} is not versioned, so an intruder could erase the backups"


def the_server_s_key_opens_only_backups(resources: Resources, _now: datetime) -> Iterator[str]:
    """The server's key to the object storage is limited to buckets by name."""
    for row in _of(resources, "SpacesKey"):
        for grant in row.props.get("grants") or ():
            if grant["permission"] == "fullaccess" or grant["bucket"] == "":
                yield f"the Spaces key {row.name} opens every bucket of the account"


def no_published_secret(resources: Resources, _now: datetime) -> Iterator[str]:
    """No secret is a value that stands in a public example."""
    for row in _of(resources, "Secret"):
        value = row.props.get("value")
        if isinstance(value, str) and is_published(value):
            yield f"{row.name} is a value published in a public example; raise its number in rotations"


def _past(made_at: Any, days: Any, now: datetime) -> timedelta | None:
    """How long ago a number of days after a date was; nothing before that, or for a secret that is not made yet."""
    if not isinstance(made_at, str) or not made_at or not days:
        return None
    late = now - datetime.fromisoformat(made_at).astimezone(UTC) - timedelta(days=float(days))
    return late if late > timedelta(0) else None


def _late(resources: Resources, now: datetime) -> Iterator[tuple[str, timedelta]]:
    """A sentence for each secret that was due for something, and for how long."""
    ages = [(row.name.removeprefix("secret-"), row.props) for row in _of(resources, "Secret")]
    ages += [
        (BACKUP_KEY, {"made_at": row.props.get("createdAt"), "interval_days": BACKUP_KEY_INTERVAL_DAYS})
        for row in _of(resources, "SpacesKey")
    ]
    for name, props in ages:
        if late := _past(props.get("made_at"), props.get("interval_days"), now):
            yield f"{name} should have been rotated {late.days} days ago; run: make rotate SECRET={name}", late
        # An overlap begins when the present value is made.
        if props.get("previous_made_at") and (late := _past(props.get("made_at"), props.get("overlap_days"), now)):
            left = f"the value before the present {name} is accepted {late.days} days longer than foreseen"
            yield f"{left}; run: make rotate SECRET={name} FINISH=1", late


def no_secret_is_due(resources: Resources, now: datetime) -> Iterator[str]:
    """Secrets are rotated within their interval, and rotations finished within their overlap."""
    return (said for said, late in _late(resources, now) if late <= GRACE)


def no_secret_is_long_overdue(resources: Resources, now: datetime) -> Iterator[str]:
    """A secret whose rotation, or the end of it, was put off for a month stops the deployment."""
    return (said for said, late in _late(resources, now) if late > GRACE)


type Rule = Callable[[Resources, datetime], Iterator[str]]

MANDATORY: tuple[Rule, ...] = (
    no_private_port_open,
    ssh_not_open_to_the_world,
    droplets_are_behind_a_firewall,
    data_is_protected,
    volume_is_large_enough,
    backups_leave_the_machine,
    the_server_s_key_opens_only_backups,
    no_published_secret,
    no_secret_is_long_overdue,
)
ADVISORY: tuple[Rule, ...] = (no_secret_is_due,)

"""Every resource type the sandbox offers."""

from sandbox.cloud.bucket import SpacesBucket
from sandbox.cloud.domain import DnsRecord, Domain
from sandbox.cloud.droplet import Droplet
from sandbox.cloud.firewall import Firewall
from sandbox.cloud.kind import Kind
from sandbox.cloud.monitoring import MonitorAlert, UptimeAlert, UptimeCheck
from sandbox.cloud.project import Project
from sandbox.cloud.reserved_ip import ReservedIp, ReservedIpAssignment
from sandbox.cloud.spaces_key import SpacesKey
from sandbox.cloud.ssh_key import SshKey
from sandbox.cloud.volume import Volume, VolumeAttachment
from sandbox.cloud.vpc import Vpc

_ALL: tuple[Kind, ...] = (
    SshKey(),
    Vpc(),
    Droplet(),
    ReservedIp(),
    ReservedIpAssignment(),
    Volume(),
    VolumeAttachment(),
    Firewall(),
    Domain(),
    DnsRecord(),
    SpacesBucket(),
    SpacesKey(),
    Project(),
    UptimeCheck(),
    UptimeAlert(),
    MonitorAlert(),
)
KINDS = {kind.resource_type: kind for kind in _ALL}
"""Resource types by their token."""
COLLECTIONS = {kind.collection: kind for kind in _ALL}
"""Resource types by their place in the state file."""

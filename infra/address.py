"""The platform's public address. DNS points at it, so it survives the droplet and refuses to be destroyed."""

import pulumi
import pulumi_digitalocean as do


class Address(pulumi.ComponentResource):
    """Children: the reserved address and its assignment to the droplet."""

    def __init__(self, region: str, droplet_id: pulumi.Input[int], *, protect: bool) -> None:
        super().__init__("platform:index:Address", "address")
        self.reserved = do.ReservedIp(
            "reserved-ip",
            region=region,
            opts=pulumi.ResourceOptions(parent=self, protect=protect, retain_on_delete=protect),
        )
        self.ip = self.reserved.ip_address
        assignment = do.ReservedIpAssignment(
            "reserved-ip-assignment",
            droplet_id=droplet_id,
            ip_address=self.ip,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        # Only an assigned address reaches the droplet: whoever connects takes this one.
        self.reachable_ip = pulumi.Output.all(self.ip, assignment.id).apply(lambda both: str(both[0]))
        self.register_outputs({})

"""The data volume. It outlives the droplet, and outside a throw-away stack it refuses to be destroyed."""

import pulumi
import pulumi_digitalocean as do


class DataVolume(pulumi.ComponentResource):
    """Children: the volume and its attachment to the droplet.

    It arrives blank: the server's volume role formats it, and only when it is blank.
    """

    def __init__(self, platform: str, region: str, size: int, droplet_id: pulumi.Input[int], *, protect: bool) -> None:
        super().__init__("platform:index:DataVolume", "data")
        self.volume = do.Volume(
            "volume",
            name=f"{platform}-data",
            region=region,
            size=size,
            description=f"Data of {platform}",
            tags=[platform],
            opts=pulumi.ResourceOptions(parent=self, protect=protect, retain_on_delete=protect),
        )
        do.VolumeAttachment(
            "volume-attachment",
            droplet_id=droplet_id,
            volume_id=self.volume.id,
            # A volume can hang on one droplet only.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.register_outputs({})

"""Outside checks by DigitalOcean: is the platform reachable, and is its certificate about to expire?"""

import pulumi
import pulumi_digitalocean as do

FROM = ("us_east", "eu_west")
CERTIFICATE_DAYS = 14
SLOW_MS = 1000


class Uptime(pulumi.ComponentResource):
    """Children: one check and its alerts. Before a web server is there, the address is pinged instead."""

    def __init__(self, platform: str, domain: str, address: pulumi.Input[str], email: str, *, https: bool) -> None:
        super().__init__("platform:index:Uptime", "uptime")
        below = pulumi.ResourceOptions(parent=self)
        check = do.UptimeCheck(
            "uptime-check",
            name=platform,
            type="https" if https else "ping",
            target=f"https://{domain}" if https else address,
            regions=list(FROM),
            enabled=True,
            opts=below,
        )
        mail = [do.UptimeAlertNotificationArgs(emails=[email])]
        do.UptimeAlert(
            "uptime-down",
            name=f"{platform} is down",
            check_id=check.id,
            type="down_global",
            period="2m",
            notifications=mail,
            opts=below,
        )
        do.UptimeAlert(
            "uptime-slow",
            name=f"{platform} is slow",
            check_id=check.id,
            type="latency",
            comparison="greater_than",
            threshold=SLOW_MS,
            period="5m",
            notifications=mail,
            opts=below,
        )
        if https:
            do.UptimeAlert(
                "uptime-certificate",
                name=f"certificate of {platform} expires",
                check_id=check.id,
                type="ssl_expiry",
                comparison="less_than",
                threshold=CERTIFICATE_DAYS,
                notifications=mail,
                opts=below,
            )
        self.register_outputs({})

"""DigitalOcean's alert policies on the droplet: a second pair of eyes beside the platform's own monitoring."""

import pulumi
import pulumi_digitalocean as do

WINDOW = "5m"
# Disk is the plan's critical threshold (6.2); processor and memory leave headroom for a burst.
THRESHOLDS = {
    "cpu": ("v1/insights/droplet/cpu", 90),
    "memory": ("v1/insights/droplet/memory_utilization_percent", 90),
    "disk": ("v1/insights/droplet/disk_utilization_percent", 80),
}


def make_alerts(platform: str, droplet_id: pulumi.Input[str], email: str) -> None:
    """One policy per measure."""
    for measure, (kind, percent) in THRESHOLDS.items():
        do.MonitorAlert(
            f"alert-{measure}",
            description=f"{platform}: {measure} above {percent} %",
            type=kind,
            compare="GreaterThan",
            value=percent,
            window=WINDOW,
            enabled=True,
            entities=[droplet_id],
            alerts=do.MonitorAlertAlertsArgs(emails=[email]),
        )

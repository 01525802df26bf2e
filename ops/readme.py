"""The generated tables of README.md: `python -m ops.readme` writes them, a test holds the file to them."""

from infra import components
from infra.phases import PHASES
from ops.stack import ROOT

README = ROOT / "README.md"


def phases_table() -> str:
    """The plan's phases with the droplet size that meets each."""
    lines = ["| phase | what it adds | vCPU | memory | droplet size | plan's cost |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {phase.number} | {phase.title} | {phase.vcpus} | {phase.memory_gb} GB | `{phase.size}` "
        f"| ~${phase.monthly_cost_usd} a month |"
        for phase in PHASES.values()
    ]
    return "\n".join(lines)


def components_table() -> str:
    """The component table as people read it."""
    lines = ["| component | phase | role | unit | ports | reachable from | state |", "|---|---|---|---|---|---|---|"]
    for row in components.load():
        ports = ", ".join(str(port.number) for port in row.ports)
        binds = ", ".join(
            dict.fromkeys(
                {"public": "outside", "loopback": "the server", "bridge": "the server and its containers"}[port.bind]
                for port in row.ports
            )
        )
        state = "planned" if row.planned else "there"
        lines.append(f"| {row.title} | {row.phase} | `{row.role}` | `{row.unit}` | {ports} | {binds} | {state} |")
    return "\n".join(lines)


def rendered(text: str) -> str:
    """README text with its generated parts renewed."""
    for name, content in {"phases": phases_table(), "components": components_table()}.items():
        head, rest = text.split(f"<!-- {name} -->\n")
        _, tail = rest.split(f"<!-- /{name} -->")
        text = f"{head}<!-- {name} -->\n{content}\n<!-- /{name} -->{tail}"
    return text


if __name__ == "__main__":
    README.write_text(rendered(README.read_text()))

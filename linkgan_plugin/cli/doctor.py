"""`linkgan doctor`: checks a host for incompatibilities with the installed libraries and tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from training_loops.formats import strict_json

if TYPE_CHECKING:
    from ..hosts.doctor import Diagnosis, Finding


@click.command(
    epilog="""\b
Examples:
  linkgan doctor stylegan3
  linkgan doctor eg3d/eg3d --json
"""
)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(directory: Path, as_json: bool) -> None:
    """Check the host in DIR for incompatibilities with the installed libraries and tools; runs none of its code.

    \b
    Each known incompatibility has one of these states:
      not used     the host does not use the affected feature
      fine         the installed versions work
      patched      fixed by the lines that `linkgan patch` inserted
      linkgan run  fixed if the host is started with `linkgan run`
      avoidable    avoid it with the option that is shown
      fails        not fixed; training fails

    The exit code is 1 if the host cannot be trained yet.
    """
    from ..hosts.doctor import diagnose

    diagnosis = diagnose(directory)
    click.echo(strict_json.dumps(diagnosis.to_json(), indent=2) if as_json else _text(diagnosis))
    if not diagnosis.ready:
        click.get_current_context().exit(1)


def _text(diagnosis: Diagnosis) -> str:
    """Return the diagnosis as lines: facts, incompatibilities, verdict."""
    facts = {
        "host": f"{diagnosis.family} in {diagnosis.root}",
        "commit": _commit(diagnosis),
        "libraries": ", ".join(f"{name} {version}" for name, version in diagnosis.versions.items()),
        "missing": ", ".join(diagnosis.missing) or "no module that training imports",
        "patch": diagnosis.patch,
        "custom ops": diagnosis.custom_ops.summary,
    }
    width = max(len(finding.name) for finding in diagnosis.findings)
    lines = [f"{name:<{width}}  {fact}" for name, fact in facts.items()]
    findings = [f"{finding.name:<{width}}  {_describe(finding)}" for finding in diagnosis.findings]
    return "\n".join([*lines, "", *findings, "", diagnosis.verdict])


def _commit(diagnosis: Diagnosis) -> str:
    if diagnosis.commit is None:
        return "unknown (not tracked by git)"
    return diagnosis.commit.sha + (", with local changes" if diagnosis.commit.changed else ", unchanged")


def _describe(finding: Finding) -> str:
    """Return a finding's state and, if the host is affected, the error and the fix."""
    if finding.state in ("not used", "fine"):
        return finding.state
    return f"{finding.state}: {finding.symptom} -> {finding.fix}"

"""`linkgan plugins`: lists every installed plugin, its distribution, and whether it loads."""

from __future__ import annotations

import click

from .. import registry
from .params import aligned

HEADER = ("kind", "name", "distribution", "version", "target", "status")


@click.command(
    epilog="""\b
Examples:
  linkgan plugins
  linkgan plugins --check
"""
)
@click.option("--check", is_flag=True, help="Import every plugin and report whether it loads.")
def plugins(check: bool) -> None:
    """List the plugins of every installed distribution.

    Without --check nothing is imported. The exit code is 1 if a name is registered twice or, with --check, if a plugin
    does not load; the other plugins remain usable.
    """
    found = [entry for kind in registry.GROUPS for entry in registry.entries(kind)]
    problems = [registry.check(entry, importing=check) for entry in found]
    rows = [
        (e.kind, e.name, e.distribution, e.version, e.target, "FAILS" if problem else "ok" if check else "")
        for e, problem in zip(found, problems, strict=True)
    ]
    click.echo(aligned([HEADER, *rows]))
    reasons = dict.fromkeys(problem for problem in problems if problem)
    for problem in reasons:
        click.echo(f"error: {problem}", err=True)
    if reasons:
        click.get_current_context().exit(1)

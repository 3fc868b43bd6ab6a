"""``suan tenants``: whom jobs are billed to, in a tree."""

from typing import Any

import click

from suan.cli.connect import connect, json_option
from suan.cli.grid import grid
from suan.cli.output import print_json, say
from suan.cli.quotas import HEADINGS, bounds, quota_options, quota_with
from suan.model.views import TenantView


@click.group
def tenants() -> None:
    """List and set what tenants are entitled to and may hold."""


@tenants.command("list")
@json_option
def list_tenants(as_json: bool) -> None:
    """List the tenants of whom something was set, each with all below it."""
    with connect() as client:
        found = client.tenants()
    if as_json:
        print_json({"tenants": found})
    else:
        say(_table(found) if found else "nothing was set of any tenant")


@tenants.command("set")
@click.argument("tenant", metavar="TENANT")
@click.option("--weight", type=click.IntRange(min=1), help="Its share beside its siblings.")
@quota_options("siblings")
@json_option
def set_tenant(tenant: str, as_json: bool, **wanted: Any) -> None:
    """Change what is given of TENANT (as lab, or lab/vision below it) and keep the rest."""
    given = {name: value for name, value in wanted.items() if value is not None}
    with connect() as client:
        new = TenantView(tenant, weight=1, running=0)
        now = next((each for each in client.tenants() if each.name == tenant), new)
        changed = client.set_tenant(
            tenant, weight=given.get("weight", now.weight), quota=quota_with(now.quota, given)
        )
    if as_json:
        print_json(changed)
    else:
        say(_table((changed,)))


def _table(found: tuple[TenantView, ...]) -> str:
    rows = [
        (each.name, str(each.weight), str(each.running), *bounds(each.quota, each.held))
        for each in found
    ]
    headings = ("TENANT", "WEIGHT", "RUNNING", *HEADINGS)
    return grid(headings, rows, right=headings[1:3])

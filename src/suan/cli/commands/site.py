"""``suan site``: the reference map."""

import click

from suan.cli.connect import connect, json_option
from suan.cli.grid import grid
from suan.cli.output import print_json, say
from suan.model.views import SiteView


@click.group
def site() -> None:
    """The sites on the reference map: where pools can be."""


@site.command("list")
@json_option
def list_sites(as_json: bool) -> None:
    """List the sites with their PUE and their grid's carbon factor."""
    with connect() as client:
        sites = client.sites()
    if as_json:
        print_json({"sites": sites})
        return
    headings = ("SITE", "KIND", "NAME", "名称", "PUE", "g CO2e/kWh", "BASIS")
    say(grid(headings, [_row(site) for site in sites], right=("PUE", "g CO2e/kWh")))


def _row(site: SiteView) -> tuple[str, ...]:
    return (
        site.site,
        site.kind,
        site.name_en,
        site.name_zh,
        f"{site.pue_milli / 1000:.2f}",
        f"{site.carbon_mg_per_kwh / 1000:.0f}",
        site.basis,
    )

"""What counts as this machine's own address."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether a host name or address, an IPv6 one with or without brackets, is loopback."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False

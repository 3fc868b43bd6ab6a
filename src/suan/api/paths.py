"""The part of an address that may have slashes and, as Starlette's own ``path`` may not, line ends:
names of files have them, and a name that may not has to be told so."""

from starlette.convertors import PathConvertor, register_url_convertor


class _Rest(PathConvertor):
    regex = "(?s:.*)"


register_url_convertor("rest", _Rest())


def rest(name: str) -> str:
    """A parameter of a route that takes all that is left of the address."""
    return f"{{{name}:rest}}"

"""Prints docs/openapi.json, made from the routes themselves: run it when one changes.

python scripts/openapi.py > docs/openapi.json
"""

import json

from suan import __version__
from suan.api.application import routes_alone
from suan.api.openapi import document

print(json.dumps(document(routes_alone(__version__)), indent=1, ensure_ascii=False))

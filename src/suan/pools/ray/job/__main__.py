"""`python -m suan.pools.ray.job PARCEL`."""

import sys

from suan.pools.ray.job.main import main

sys.exit(main())

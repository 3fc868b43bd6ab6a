"""One module for each resource; ``ROUTERS`` lists them. Each translates, and decides nothing."""

from suan.api.routes import (
    content,
    events,
    jobs,
    limits,
    logs,
    outputs,
    peer,
    peers,
    plans,
    pools,
    queues,
    reservations,
    server,
    submit,
    tenants,
    tokens,
)

ROUTERS = (
    submit.router,
    content.router,
    jobs.router,
    logs.router,
    outputs.router,
    plans.router,
    pools.router,
    queues.router,
    tenants.router,
    limits.router,
    reservations.router,
    peers.router,
    peer.router,
    events.router,
    server.router,
    tokens.router,
)

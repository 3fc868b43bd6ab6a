"""What can go wrong between a client and its server.

SuanError                  (suan.model.errors)
├── InputError              the server, or the client before it, found the request wrong
│   └── NotFound
├── ServerUnreachable       no answer: nobody listens, the line broke, or time ran out
├── ServerError             the server answered that it could not
│   ├── AccessDenied        no token, a wrong or expired one, or one too weak
│   ├── Conflict            it clashes with what is already there
│   └── BadReply            the answer is not one that suan gives
└── WaitTimeout             ``wait`` gave up before the job ended
"""

from suan.model.errors import SuanError


class ServerUnreachable(SuanError):
    """No answer came. ``refused`` says for certain that nobody listens, so nothing happened."""

    code = "server_unreachable"

    def __init__(self, message: str, *, refused: bool = False, mend: str = "") -> None:
        super().__init__(message, mend=mend)
        self.refused = refused


class ServerError(SuanError):
    """The server answered with a problem. ``code`` is stable (docs/reference/errors.md)."""

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: int,
        where: str = "",
        mend: str = "",
    ) -> None:
        super().__init__(message, mend=mend)
        self.code = code
        self.status = status
        self.where = where
        self.retry_after_s: float | None = None


class AccessDenied(ServerError):
    """The token is missing, wrong, expired, revoked, or too weak for this."""


class Conflict(ServerError):
    """It clashes with what is already there."""


class BadReply(ServerError):
    """Whatever answered is not a suan server, or not one of a version we understand."""


class WaitTimeout(SuanError):
    """The job had not ended when the caller's patience did. The job goes on."""

    code = "wait_timed_out"

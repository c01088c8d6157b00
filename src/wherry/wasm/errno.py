"""Preview1's errno (`errno` in WASI's typenames.witx), and the host's in its terms."""

import errno

SUCCESS, ACCES, AGAIN, BADF, FAULT, INTR, INVAL, IO, MFILE, NOSYS = 0, 2, 6, 8, 21, 27, 28, 29, 33, 52
NOTDIR, NOTSOCK, NOTSUP, TIMEDOUT = 54, 57, 58, 73
AFNOSUPPORT = 5
AIAGAIN, AIMEMORY, AINONAME = 78, 82, 84  # WasmEdge's additions, for getaddrinfo

_OF_HOST = {
    errno.EACCES: ACCES, errno.EPERM: 63, errno.EADDRINUSE: 3, errno.EADDRNOTAVAIL: 4, errno.EAFNOSUPPORT: AFNOSUPPORT,
    errno.EAGAIN: AGAIN, errno.EALREADY: 7, errno.EBADF: BADF, errno.ECONNABORTED: 13, errno.ECONNREFUSED: 14,
    errno.ECONNRESET: 15, errno.EDESTADDRREQ: 17, errno.EHOSTUNREACH: 23, errno.EINPROGRESS: 26, errno.EINTR: INTR,
    errno.EINVAL: INVAL, errno.EISCONN: 30, errno.EMFILE: MFILE, errno.EMSGSIZE: 35, errno.ENETUNREACH: 40,
    errno.ENFILE: 41, errno.ENOBUFS: 42, errno.ENOSPC: 51, errno.ENOTCONN: 53, errno.EOPNOTSUPP: NOTSUP,
    errno.EPIPE: 64, errno.ETIMEDOUT: TIMEDOUT,
}  # fmt: skip


def of_host(error: OSError) -> int:
    """What failed on the host -> errno. A call that was woken to stop is one to try again: the guest ends before that."""
    if isinstance(error, BlockingIOError | InterruptedError):
        return AGAIN
    return of_number(error.errno) if error.errno else IO


def of_number(number: int) -> int:
    """A host's errno -> the guest's; 0 stays 0."""
    return _OF_HOST.get(number, IO) if number else SUCCESS

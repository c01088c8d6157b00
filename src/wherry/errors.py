"""Every error that Wherry raises on purpose.

WherryError
├── InputError          a value, option or field from outside is wrong            400  invalid argument   2
│   ├── FormatError     a file is truncated, lies about itself or is not supported 400  invalid encoding   3
│   ├── UnsupportedError   a call that exists, but not for this kind of model      400  unsupported        2
│   └── TooLargeError   more than a limit allows                                   413  too large          3
│       └── PromptTooLongError   a prompt leaves no room in the context            413  prompt too long    3
├── NotFoundError       a file, model, graph or device that does not exist         404  not found          4
│   └── ModelNotFoundError   a model's file that a guest named itself              404  model not found    4
├── DeviceError         the adapter is missing, lost, or refuses                   503  runtime error      5
│   ├── OutOfMemoryError   a buffer does not fit on the device                     507  too large          5
│   └── KernelError     a shader does not compile or fails on the device           500  runtime error      5
├── GuestError          a guest trapped, ran out of time or memory                 502  runtime error      6
├── DownloadError       a download failed or its digest is wrong                   502  runtime error      7
└── StoppedError         the user or a deadline stopped the work                    499  runtime error    130

The columns are the HTTP status, the wasi-nn errno and the exit code; they are attributes of the class, so that the
kind of an error is never read back from its text.
"""

from typing import ClassVar

# Errno values of wasi_ephemeral_nn (wasm/nn/wasi_ephemeral_nn.witx).
_INVALID_ARGUMENT, _INVALID_ENCODING, _RUNTIME_ERROR, _UNSUPPORTED, _TOO_LARGE, _NOT_FOUND = 1, 2, 5, 6, 7, 8
_PROMPT_TOO_LONG, _MODEL_NOT_FOUND = 102, 103


class WherryError(Exception):
    """What happened, and optionally a hint: the next step for whoever reads it."""

    http_status: ClassVar[int] = 500
    nn_errno: ClassVar[int] = _RUNTIME_ERROR
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n\nhint: {self.hint}" if self.hint else self.message


class InputError(WherryError):
    http_status, nn_errno, exit_code = 400, _INVALID_ARGUMENT, 2


class FormatError(InputError):
    nn_errno, exit_code = _INVALID_ENCODING, 3


class UnsupportedError(InputError):
    nn_errno = _UNSUPPORTED


class TooLargeError(InputError):
    http_status, nn_errno, exit_code = 413, _TOO_LARGE, 3


class PromptTooLongError(TooLargeError):
    nn_errno = _PROMPT_TOO_LONG


class NotFoundError(WherryError):
    http_status, nn_errno, exit_code = 404, _NOT_FOUND, 4


class ModelNotFoundError(NotFoundError):
    nn_errno = _MODEL_NOT_FOUND


class DeviceError(WherryError):
    http_status, exit_code = 503, 5


class OutOfMemoryError(DeviceError):
    http_status, nn_errno = 507, _TOO_LARGE


class KernelError(DeviceError):
    http_status = 500


class GuestError(WherryError):
    http_status, exit_code = 502, 6


class DownloadError(WherryError):
    http_status, exit_code = 502, 7


class StoppedError(WherryError):
    http_status, exit_code = 499, 130

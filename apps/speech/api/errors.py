"""Errors in OpenAI's shape: what the official clients turn into their own exceptions."""

import json

from wherry.errors import FormatError, NotFoundError, TooLargeError, WherryError


class ApiError(Exception):
    """param: the field that is to blame, None for none. code: OpenAI's word for it, where it has one."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code

    def body(self) -> bytes:
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return json.dumps({"error": error}).encode()


def of_host(error: WherryError) -> ApiError:
    """What the host refused, for whoever sent the request: the host's own files have names that mean nothing to them."""
    if isinstance(error, FormatError):
        return ApiError(
            400,
            "The audio file could not be decoded or its format is not supported: expected wav, mp3, flac, ogg, opus, m4a, mp4, "
            "webm or another format of FFmpeg's.",
            param="file",
            code="invalid_audio",
        )
    if isinstance(error, TooLargeError):
        return ApiError(error.http_status, "The recording is longer than this server takes.", param="file", code="too_long")
    if isinstance(error, NotFoundError):
        return ApiError(error.http_status, error.message, param="model", code="model_not_found")
    return ApiError(error.http_status, error.message)

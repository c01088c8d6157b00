"""What the host refused, for whoever sent the request: the host's own files have names that mean nothing to them."""

from wherry.errors import FormatError, TooLargeError, WherryError
from wherry.guest import openai
from wherry.guest.openai import ApiError


def of_host(error: WherryError) -> ApiError:
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
    return openai.of_host(error)

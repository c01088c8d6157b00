"""A voice assistant: a recording goes in, what a language model says to it comes out. Speech and chat live in one image:

wherry build examples/voice --model whisper-tiny.en --model smollm2-135m-instruct -t voice
wherry run -p 8080:8080 voice
curl --no-buffer --data-binary @question.wav http://127.0.0.1:8080
"""

from wherry.errors import WherryError
from wherry.guest import chat, speech

SAY = {"role": "system", "content": "You are a friendly assistant. Answer in a sentence or two."}


def app(environ, start_response):
    recording = environ["wsgi.input"]
    try:
        heard = speech.open().transcribe(recording).text.strip()
        answer = chat.open().stream([SAY, {"role": "user", "content": heard}], chat.Options(temperature=0.3, max_tokens=100))
    except WherryError as error:
        start_response(f"{error.http_status} Error", [("Content-Type", "text/plain; charset=utf-8")])
        return [str(error).encode()]
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return spoken(heard, answer)


def spoken(heard, answer):
    """Pieces as they are made. A client who leaves closes this generator, which ends the work."""
    yield f"> {heard}\n".encode()
    with answer:
        for piece in answer:
            yield piece.text.encode()
    yield b"\n"

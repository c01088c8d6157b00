"""A guest of the suite: what an app may do, and everything that it may not."""

import importlib
import json
import logging
import os
import random
import secrets
import socket
import sys
import time
import uuid
import zlib
from urllib.parse import unquote

from flask import Flask
from flask import request as flask_request

from wherry.errors import WherryError
from wherry.guest import chat, config, embeddings, nn, speech, upload
from wherry.guest.speech import Options

flask_app = Flask("inside")
counter = 0


@flask_app.post("/flask/<name>")
def flask_form(name):
    return {"name": name, "word": flask_request.form["word"], "size": len(flask_request.files["file"].read())}


def app(environ, start_response):
    global counter
    counter += 1
    path = environ["PATH_INFO"]
    if path.startswith("/flask/"):
        return flask_app(environ, start_response)
    deed = globals().get("do_" + path.strip("/"))
    if deed is None:
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"no such deed\n"]
    answer = deed(environ, start_response)
    if isinstance(answer, dict):
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]
    return answer


def audio(environ):
    path = "/tmp/sound"
    with open(path, "wb") as file:
        file.write(environ["wsgi.input"].read())
    return path


def do_echo(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("X-Query", environ["QUERY_STRING"])])
    return [body[i : i + 100000] for i in range(0, len(body), 100000)]


def do_count(environ, start_response):
    drawn = {"random": random.random(), "token": secrets.token_hex(), "uuid": str(uuid.uuid4())}
    return {"count": counter, "drawn": drawn, "environ": dict(os.environ), "setting": config.get("greeting")}


def do_speech(environ, start_response):
    model = speech.open()
    found = model.transcribe(audio(environ), Options(word_timestamps=True))
    return {
        "names": list(speech.names()),
        "device": model.device,
        "languages": dict(model.languages),
        "text": found.text,
        "language": found.language,
        "duration": found.duration,
        "segments": [[s.id, s.start, s.end, s.text, s.tokens, s.avg_logprob] for s in found.segments],
        "words": [[w.start, w.end, w.word, w.probability] for w in found.words],
        "detected": model.detect_language("/tmp/sound"),
    }


def do_errors(environ, start_response):
    found = {}
    with open("/tmp/text", "w") as file:
        file.write("just text " * 100)
    for name, call in {
        "model": lambda: speech.open("none"),
        "audio": lambda: speech.open().transcribe("/tmp/text"),
        "missing": lambda: speech.open().transcribe("/tmp/nowhere"),
        "language": lambda: speech.open().transcribe(audio(environ), Options(language="xx")),
        "graph": lambda: nn.load_by_name("none"),
        "input": lambda: nn.load_by_name().compute({"x": nn.Tensor.from_numbers([1.0])}),
    }.items():
        try:
            call()
        except WherryError as error:
            found[name] = [type(error).__name__, str(error)]
    return found


def do_nn(environ, start_response):
    import wave

    with wave.open(environ["wsgi.input"]) as file:
        samples = memoryview(file.readframes(file.getnframes())).cast("h")
    graph = nn.load_by_name()
    return {"text": [graph.compute({"0": nn.Tensor.from_numbers(x / 32768 for x in samples)})["0"].text() for _ in range(2)]}


def do_log(environ, start_response):
    print("printed")
    sys.stderr.write("half a line")
    logging.getLogger("own").warning("warned \x1b[31m of %s", "red")
    return {}


def do_events(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/event-stream")])
    for number in range(int(environ["QUERY_STRING"])):
        yield b"data: %d\n\n" % number


def do_raise(environ, start_response):
    raise RuntimeError("the app's own mistake")


# -- what it may not


def do_spin(environ, start_response):
    while True:
        pass


def do_sleep(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"]))
    return {}


def do_allocate(environ, start_response):
    kept = []
    try:
        while True:
            kept.append(bytearray(1 << 20))
    except MemoryError:
        return {"megabytes": len(kept)}


def do_recurse(environ, start_response):
    sys.setrecursionlimit(1 << 30)
    nested = []
    for _ in range(1 << 20):
        nested = [nested]
    return {"length": len(repr(nested))}


def do_forever(environ, start_response):
    start_response("200 OK", [])
    while True:
        yield b"x" * 100000


def do_flood(environ, start_response):
    for number in range(20000):
        print("flood", number)
    return {}


def do_disk(environ, start_response):
    with open("/tmp/big", "wb") as file:
        while True:
            file.write(b"x" * 1000000)


def do_files(environ, start_response):
    number = 0
    while True:
        number += 1
        open(f"/tmp/file-{number}", "wb").close()


def do_escape(environ, start_response):
    found = {}
    os.makedirs("/tmp/link", exist_ok=True)
    attempts = {
        "absolute": lambda: open("/etc/passwd").read(),
        "above": lambda: open("/tmp/../../etc/passwd").read(),
        "relative": lambda: open("../../etc/passwd").read(),
        "root": lambda: os.listdir("/"),
        "list above": lambda: os.listdir("/tmp/.."),
        "absolute link": lambda: [os.symlink("/etc/passwd", "/tmp/link/a"), open("/tmp/link/a").read()],
        "relative link": lambda: [os.symlink("../../../../etc/passwd", "/tmp/link/b"), open("/tmp/link/b").read()],
        "host": lambda: speech.open().transcribe("/etc/passwd").text,
        "host above": lambda: speech.open().transcribe("/tmp/../../etc/passwd").text,
        "socket": lambda: socket.create_connection(("127.0.0.1", int(environ["QUERY_STRING"])), 2),
        "listen": lambda: socket.create_server(("127.0.0.1", 0)),
        "system": lambda: os.system("id"),
        "write": lambda: open("/written", "w"),
    }
    for name, attempt in attempts.items():
        try:
            found[name] = repr(attempt())
        except (OSError, WherryError, AttributeError) as error:
            found[name] = type(error).__name__
    return found


def do_link(environ, start_response):
    """A link in the guest's folder that leads the host's own reader astray."""
    os.symlink(environ["QUERY_STRING"], "/tmp/sound.wav")
    try:
        return {"text": speech.open().transcribe("/tmp/sound.wav").text}
    except WherryError as error:
        return {"error": type(error).__name__}


def do_forge(environ, start_response):
    imports = importlib.import_module("wit_world.imports.speech")  # beneath what apps are given

    model = imports.open("default")
    number = int(environ["QUERY_STRING"])
    model.handle = number
    return {"name": model.name()}


def do_twice(environ, start_response):
    imports = importlib.import_module("wit_world.imports.speech")  # beneath what apps are given

    model = imports.open("default")
    handle = model.handle
    model.__exit__(None, None, None)
    other = imports.open("default")
    other.handle = handle
    other.__exit__(None, None, None)
    model.handle = handle
    return {"name": model.name()}


def do_answer_twice(environ, start_response):
    response = importlib.import_module("wit_world.imports.response")

    response.start(200, [])
    response.start(200, [])
    return {}


def do_bad_head(environ, start_response):
    response = importlib.import_module("wit_world.imports.response")

    response.start(200, [("X-Bad", "a\r\nSet-Cookie: stolen")])
    response.write("x")
    return {}


def do_hoard(environ, start_response):
    imports = importlib.import_module("wit_world.imports.speech")  # beneath what apps are given

    kept = []
    while True:
        kept.append(imports.open("default"))


def do_exit(environ, start_response):
    os._exit(3)


def do_chat(environ, start_response):
    """Streams of one conversation, each with its options, read in turn while all of them run."""
    asked = json.load(environ["wsgi.input"])
    model = chat.open(asked.get("model", "default"))
    each = asked["options"]
    if "prompt" in asked:
        streams = [model.stream_text(asked["prompt"], chat.Options(**options)) for options in each]
    else:
        streams = [model.stream(asked["messages"], chat.Options(**options), asked.get("tools", ())) for options in each]
    found = [{"text": "", "tokens": [], "calls": [], "pieces": 0} for _ in streams]
    running = list(zip(streams, found, strict=True))
    while running:
        for stream, answer in list(running):
            piece = next(stream, None)
            if piece is None:
                running.remove((stream, answer))
                continue
            answer["pieces"] += 1
            answer["text"] += piece.text
            answer["finish"] = piece.finish
            answer["calls"] += [[call.name, call.arguments] for call in piece.tool_calls]
            answer["tokens"] += [[t.id, t.text, t.logprob, [[x.id, x.logprob] for x in t.top]] for t in piece.tokens]
    for stream, answer in zip(streams, found, strict=True):
        stream.close()
        usage = stream.usage
        answer |= {"seed": stream.seed, "usage": [usage.prompt, usage.completion]}
    about = [model.name, model.device, model.context, model.chats, model.supports_tools, model.count("a ferry")]
    return {"answers": found, "model": about, "names": list(chat.names()), "text": model.text(model.tokens("größe 词"))}


def do_talk(environ, start_response):
    """A stream that is read by nobody but the client, who may leave."""
    start_response("200 OK", [("Content-Type", "text/event-stream")])
    with chat.open().stream_text("Once upon a time", chat.Options(max_tokens=4000, temperature=1.0, seed=1)) as stream:
        for piece in stream:
            yield b"data: " + json.dumps(piece.text).encode() + b"\n\n"


def do_embed(environ, start_response):
    asked = json.load(environ["wsgi.input"])
    model = embeddings.open(asked.get("model", "default"))
    found = model.embed(asked["texts"])
    about = [model.name, model.device, model.dimensions, model.max_tokens]
    return {
        "names": list(embeddings.names()),
        "model": about,
        "vectors": [v.numbers for v in found],
        "tokens": [v.tokens for v in found],
    }


def do_mistakes(environ, start_response):
    """What each wrong question is told."""
    said = [{"role": "user", "content": "x"}]
    model = chat.open()
    found = {}
    for name, call in {
        "model": lambda: chat.open("none"),
        "embeddings": lambda: embeddings.open("none"),
        "messages": lambda: model.answer([]),
        "content": lambda: model.answer([*said, {"role": "user", "content": 3}]),
        "surrogate": lambda: model.answer([{"role": "user", "content": "\ud800"}]),
        "prompt": lambda: model.complete("\ud800"),
        "tokens": lambda: model.complete([1 << 40]),
        "unknown": lambda: model.complete([1 << 30]),
        "options": lambda: model.answer(said, chat.Options(max_tokens=-1)),
        "temperature": lambda: model.answer(said, chat.Options(temperature="hot")),
        "top_p": lambda: model.answer(said, chat.Options(top_p=2.0)),
        "schema": lambda: model.answer(said, chat.Options(json_schema={"type": 3})),
        "tool": lambda: model.answer(said, tools=[{"type": "function", "function": {"name": "a b"}}]),
        "choice": lambda: model.answer(said, chat.Options(tool_name="f")),
        "long": lambda: model.complete("word " * 5000),
        "empty": lambda: embeddings.open("small").embed(["a", ""]),
    }.items():
        try:
            call()
        except WherryError as error:
            found[name] = [type(error).__name__, str(error)]
    return found


def do_fetch(environ, start_response):
    """An address of the network by sockets, or why not."""
    with socket.create_connection(tuple(json.loads(unquote(environ["QUERY_STRING"]))), 20) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n" + b"x" * 300_000 + b"\r\n")
        connection.shutdown(socket.SHUT_WR)
        found = b""
        while piece := connection.recv(1 << 16):
            found += piece
        return {"from": connection.getpeername()[0], "sum": zlib.crc32(found), "size": len(found)}


def do_reach(environ, start_response):
    """What each attempt of a list comes to."""
    attempts = {
        "connect": lambda host, port: socket.create_connection((host, port), 20).close(),
        "look up": lambda host, port: sorted({row[4][0] for row in socket.getaddrinfo(host, port)}),
        "listen": lambda host, port: socket.create_server((host, port)),
        "datagram": lambda host, port: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"a", (host, port)),
    }
    found = []
    for deed, host, port in json.loads(environ["wsgi.input"].read()):
        try:
            found.append(attempts[deed](host, port))
        except OSError as error:
            found.append(f"{type(error).__name__} {error.errno}")
    return {"found": found}


def do_clock(environ, start_response):
    return {"found": [[time.time_ns(), time.monotonic_ns(), time.perf_counter_ns()] for _ in range(50)]}


def do_stream(environ, start_response):
    """Sums of the pieces, as they come, each told at once."""

    def told():
        total = 0
        for piece in upload.pieces(environ):
            total = zlib.crc32(piece, total)
            yield b"%d %d\n" % (len(piece), total)

    if environ["QUERY_STRING"] == "refuse":
        start_response("403 Forbidden", [("Content-Type", "text/plain")])
        return [b"not here\n"]
    if environ["QUERY_STRING"] == "sum":
        *_, last = (*[b"0 0"], *told())
        start_response("200 OK", [("X-Length", environ.get("CONTENT_LENGTH", "none"))])
        return [last]
    start_response("200 OK", [])
    return told()


do_stream_small = do_stream
app = upload.streams(app, "/stream", most=64 << 20)
app = upload.streams(app, "/stream_small*", most=1 << 20)

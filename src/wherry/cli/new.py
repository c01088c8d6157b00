"""`wherry new`."""

from pathlib import Path

import click

from wherry.cli.unicode import check_text
from wherry.errors import InputError

_APP = '''"""Upload a recording, get its words in capitals."""

from bottle import Bottle, HTTPError, request, response

from wherry.errors import WherryError
from wherry.guest import config, speech

app = Bottle()


@app.get("/")
def index():
    return """<!doctype html>
<title>{name}</title>
<form action="shout" method="post" enctype="multipart/form-data">
  <input type="file" name="file" accept="audio/*" required> <button>Shout</button>
</form>
"""


@app.post("/shout")
def shout():
    upload = request.files.get("file")
    if upload is None:
        raise HTTPError(400, "expected a recording in the form field `file`")
    try:
        transcript = speech.open().transcribe(upload.file)
    except WherryError as error:
        raise HTTPError(error.http_status, error.message)
    response.content_type = "text/plain; charset=utf-8"
    return transcript.text.strip().upper() + config.get("ending", "!") + "\\n"
'''
_TEST = """from app import app
from wherry.guest import host
from wherry.guest.client import Client
from wherry.guest.fake import SOUND, FakeHost


def test_it_shouts():
    with host.use(FakeHost({{"default": "Good morning"}})):
        answer = Client(app).post("/shout", files={{"file": ("hello.wav", SOUND)}})
    assert (answer.status, answer.text) == (200, "GOOD MORNING!\\n")


def test_the_ending_is_a_setting():
    with host.use(FakeHost({{"default": "Good morning"}}, config={{"ending": "?"}})):
        answer = Client(app).post("/shout", files={{"file": ("hello.wav", SOUND)}})
    assert answer.text == "GOOD MORNING?\\n"


def test_what_is_no_recording_is_refused():
    with host.use(FakeHost()):
        assert Client(app).post("/shout", files={{"file": ("hello.wav", b"just text")}}).status == 400
        assert Client(app).post("/shout").status == 400
"""
_README = """# {name}

```sh
python -m pip install wherry pytest -r requirements.txt
python -m pytest
wherry dev
curl -F file=@hello.wav http://127.0.0.1:8080/shout
```

`app.py` is a web app of WSGI, here in bottle; Flask or any other will do. Saving a file loads it again.
"""
_FILES = {"app.py": _APP, "test_app.py": _TEST, "requirements.txt": "bottle>=0.13,<0.14\n", "README.md": _README}


@click.command()
@click.argument("folder", metavar="NAME", type=click.Path(path_type=Path))
def new(folder: Path) -> int:
    """Make the folder NAME with a web app that works, and its test.

    \b
    Example:
      wherry new shout
    """
    check_text("NAME", folder.name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: found it already, expected a new folder or an empty one")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in _FILES.items():
        (folder / name).write_text(text.format(name=folder.name), encoding="utf-8")
    click.echo(f"{folder}: {', '.join(_FILES)}")
    click.echo(f"next: cd {folder} && wherry dev")
    return 0

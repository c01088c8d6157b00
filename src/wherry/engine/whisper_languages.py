"""The languages of Whisper, for commands: codes, English names, and what people call them."""

from wherry.text.languages import LANGUAGES as LANGUAGES
from wherry.text.whisper import language_code as language_code

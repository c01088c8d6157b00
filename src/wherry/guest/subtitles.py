"""Transcripts as files: plain text and subtitles, as openai-whisper's command writes them."""

from wherry.engine.writers import to_json, to_srt, to_tsv, to_txt, to_vtt

__all__ = ["to_json", "to_srt", "to_tsv", "to_txt", "to_vtt"]

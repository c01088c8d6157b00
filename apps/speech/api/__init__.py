"""OpenAI's speech-to-text API: forms, what they ask for, and the forms of the answer."""

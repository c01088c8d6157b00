"""OpenAI's API of language models: what a request asks for, checked, and the forms of the answer."""

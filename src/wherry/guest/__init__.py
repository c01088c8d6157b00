"""What an app imports: speech, graphs of wasi-nn, settings and logging.

The package is compiled into the app's component, so it takes no third-party library, and nothing of Wherry's host but the
plain data of a transcript. Outside the sandbox an app runs as ordinary Python, over whatever `host.use` was given: `wherry
dev` gives it the engine, a test a `fake.FakeHost`.
"""

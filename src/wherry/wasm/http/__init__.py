"""The host's HTTP server: what comes before an app, whoever runs it."""

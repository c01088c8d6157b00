"""The one door to inference."""

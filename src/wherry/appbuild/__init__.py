"""A web app in Python to a component: its requirements, its sources looked at, componentize-py."""

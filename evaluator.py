"""What openevolve-run calls for every program; the settings are the section `eplb:` of its configuration."""

from eplb_evolve.search import open_search

evaluate = open_search(__file__).evaluate

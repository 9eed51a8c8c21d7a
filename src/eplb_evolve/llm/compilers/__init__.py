"""Tiny programs that compile in one way each when they are imported, run like candidates; `empty` compiles nothing."""

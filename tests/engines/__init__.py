"""The released vLLM and SGLang, as far as they plan placements: their own files, without their dependencies."""

"""Programs that plan nothing: what a call costs before any planning. Each is run like a candidate."""

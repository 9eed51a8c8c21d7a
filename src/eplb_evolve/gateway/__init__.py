"""One local OpenAI-compatible endpoint: answers for the local models, forwards, records and counts the others."""

"""What an LLM reads and answers: prompts out of a run's own record, replies made to fit the program they change."""

"""The built-in judge: questions about what was said in a call, answered by a model."""

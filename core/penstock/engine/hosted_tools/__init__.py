"""Hosted tools: those that this server runs. A response with such tools has several turns of the model."""

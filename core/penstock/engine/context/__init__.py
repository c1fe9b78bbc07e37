"""Step 2: the model's context: the items that a request refers to, their size, and how they are made to fit."""

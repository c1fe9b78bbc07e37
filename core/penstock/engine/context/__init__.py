"""Step 2: everything that the model is to be shown: what a request refers to, its size, and how it is made to fit."""

"""Step 1: the body of a request as a struct, within its bounds; errors name the wrong parameter."""

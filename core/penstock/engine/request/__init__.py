"""Step 1: the body of a request, within its bounds, as a struct; errors name the parameter at fault."""

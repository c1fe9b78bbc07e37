"""The doors and drivers of Penstock: each module one translation between the core and one piece of the world."""

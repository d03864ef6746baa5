"""Where the packages of floor 2 meet (floor 3)."""

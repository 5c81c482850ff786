"""Where a base model comes from, the course's own among them, and whether its dictionary fits."""

"""Where an attempt runs: launchers behind one protocol. May import `wire`, `model` and below."""

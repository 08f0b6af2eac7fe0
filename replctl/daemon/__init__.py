"""The daemon: the same engine as the commands, running by itself; a loop, its metrics and its health (design §10)."""

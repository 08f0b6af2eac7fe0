"""The command line: the outermost layer, the only one that prints, prompts and ends the process."""

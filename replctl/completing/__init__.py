"""What TAB offers, answered before anything slow is imported, from files alone: no backend, no store, no YAML.

    answering.safely(…)    what the scripts of the shells ask: `replctl __complete SHELL …`
    offers.offered(…)      pure: from a grammar, what is kept of names, and a line, to what belongs there
    grammar.txt            commands, options and values, generated from the command tree (`make generate`)
    kept                   the names that the last command or the daemon left behind, and where they lie

Nothing here may cost a key press much, so nothing here imports more than `os`: no dataclasses, no pathlib, no re.
"""

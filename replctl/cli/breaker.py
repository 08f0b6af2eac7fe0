"""`breaker`: the circuit breakers that stand between us and each backend, as the store remembers them."""

from __future__ import annotations

from typing import Annotated

import typer

from replctl.cli.options import Common

Backend = Annotated[str, typer.Argument(metavar="BACKEND", help="A backend of the configuration.")]


def list_(context: typer.Context, *, common: Common) -> int:
    """List the circuit breakers, with what they count and until when they are open."""
    from replctl.cli import documents, tables
    from replctl.cli.output import Format
    from replctl.cli.session import opened

    with opened(context.obj, common) as session:
        found = sorted(session.services.store.breakers().items())
        states = [(backend, kind, state) for (backend, kind), state in found]
        output = session.output
        if output.format.is_document:
            output.document(documents.breakers(states))
        elif output.format is Format.NAME:
            output.names(dict.fromkeys(backend for backend, _, _ in states))
        else:
            output.data(tables.breakers(states, session.now, output.width))
        return 0


def reset(context: typer.Context, *, backend: Backend, common: Common) -> int:
    """Close the breakers of a backend by hand, so that the next call is made."""
    from replctl.cli import documents
    from replctl.cli.lines import line, strong
    from replctl.cli.names import known_backend
    from replctl.cli.output import Format
    from replctl.cli.session import opened
    from replctl.core.breaker import reset as closed

    with opened(context.obj, common) as session:
        known_backend(backend, session.services.settings.backends)
        store = session.services.store
        for (where, kind), state in store.breakers().items():
            if where == backend:
                store.save_breaker(backend, kind, closed(state))
        output = session.output
        if output.format.is_document:
            kept = store.breakers()
            output.document(
                documents.breakers((b, k, s) for (b, k), s in sorted(kept.items()) if b == backend)
            )
        elif output.format is Format.NAME:
            output.text(f"{backend}\n")
        else:
            output.data([line(strong(backend), ": circuit breakers closed, nothing counted")])
        return 0

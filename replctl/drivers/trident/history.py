"""What an object was, one time after the other, between two of its versions: read from what a watch tells (CT §12.5).

An API server keeps the last few minutes of changes and tells each of them in its order, so that a state that lasted a
moment is found even by one who looks seconds later.
"""

from __future__ import annotations

import json
from dataclasses import replace

from replctl.core.errors import Interrupted, ReplctlError
from replctl.drivers.kubernetes.client import KubernetesClient, selectors
from replctl.drivers.kubernetes.objects import Body, Resource, part, text
from replctl.resilience import Look

READ_SECONDS = 5.0  # the changes are there already: they come at once, or not at all


def between(
    client: KubernetesClient, resource: Resource, key: tuple[str, str], versions: tuple[str, str], look: Look
) -> list[Body]:
    """The object after each of its changes since the first version, up to the second; what is not kept is not told.

    Raises Interrupted alone: who cannot read the history knows nothing of it.
    """
    namespace, name = key
    since, until = versions
    params = {
        "resourceVersion": since,
        "timeoutSeconds": int(READ_SECONDS),
        **selectors(name, ""),
    }
    seconds = min(READ_SECONDS, look.remaining(client.clock) / 2)  # a look shall not be late because of it
    brief = replace(look, deadline=client.clock.monotonic() + seconds, retry=False)
    found: list[Body] = []
    try:
        stream = client.open_watch(resource, namespace, params, brief, READ_SECONDS)
        try:
            for line in stream.lines(brief):
                event = part(json.loads(line))
                if text(event, "type") not in ("ADDED", "MODIFIED"):
                    break
                found.append(part(event, "object"))
                if text(part(found[-1], "metadata"), "resourceVersion") == until:
                    break
        finally:
            stream.close()
    except Interrupted:
        raise
    except (ReplctlError, ValueError, RecursionError):
        return found
    return found

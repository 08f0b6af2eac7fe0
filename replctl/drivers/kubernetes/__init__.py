"""Kubernetes' API for drivers, without an SDK: who we are, single objects, lists, changes, watches (CT §12, §17).

`access` and `kubeconfig` tell where an API server is and sign in to it; `client.KubernetesClient` asks it, over the
HTTP client that all drivers share; `watching` follows a list through everything that ends a stream; `objects` holds
what was seen, which is what every change must be made on; `statuses` says what an API server's errors mean.
"""

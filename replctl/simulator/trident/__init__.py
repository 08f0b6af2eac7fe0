"""A simulated Trident: the controller of mirror relationships, and the provisioner under it (CT §3 to §7)."""

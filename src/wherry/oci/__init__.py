"""Images as bytes: references, digests, manifests, layers, the local store, archives and registries."""

"""Docker, Podman and containerd: an OCI runtime, the CDI spec of this host's GPUs, and their installation. Linux only."""

"""WebAssembly guests: sandbox, files, sockets."""

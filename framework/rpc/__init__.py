"""gRPC at the edge: interceptors, identity, generic servicers, channels and the life of a server process."""

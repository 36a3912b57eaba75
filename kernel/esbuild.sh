#!/bin/sh
# Stop sends SIGINT to the kernel and all its children; tsx's compiler is to outlive it.
trap '' INT
exec "$ALIGNLAB_ESBUILD" "$@"

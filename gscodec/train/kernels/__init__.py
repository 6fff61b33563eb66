"""float32 kernels of the CPU trainer; gscodec.render holds their exact twins."""

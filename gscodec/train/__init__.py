"""Training: from a multi-camera capture to tracked Gaussians that are made for the codec."""

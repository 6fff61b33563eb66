"""gscodec: a streaming codec for volumetric video made of 3D Gaussians."""

__version__ = "0.1.0"

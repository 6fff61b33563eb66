"""The grid: where slots lie in a plane, Morton order, and the self-organising sort."""

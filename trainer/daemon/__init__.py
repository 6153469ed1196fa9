"""The process that follows the store and trains."""

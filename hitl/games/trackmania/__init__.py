"""TrackMania: telemetry in, a virtual pad or keys out."""

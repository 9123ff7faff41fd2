//! Detections → tracks.

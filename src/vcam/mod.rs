//! Files as live RTSP cameras.

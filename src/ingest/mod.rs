//! Camera → frames: connect, supervise, decode, reconnect.

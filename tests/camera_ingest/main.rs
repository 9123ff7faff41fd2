//! Cameras over real sockets: a GStreamer RTSP server, or a hostile peer on a raw socket, watched as the agent does.
#![cfg(feature = "staging")]

mod adaptive;
mod evidence;
mod raw_peer;
mod rtsp_server;
mod stream;
mod trouble;
mod watch;

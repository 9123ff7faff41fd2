//! Frame + incident → redacted JPEG.

//! Where the pieces that set-up installs are found: runtime library, models, footage.

//! Views: they read state and draw.

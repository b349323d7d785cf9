//! Recordings and exports: casts, GIFs, pages, tapes.

//! The one place where ids become printable text.

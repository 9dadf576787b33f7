//! The generated source, read back and held against the catalogue.

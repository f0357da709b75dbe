//! CBOR by hand and by accident.

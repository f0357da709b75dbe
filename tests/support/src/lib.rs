//! What tests, the demo and the benchmarks share. Nothing here is part of the shipped program.

mod arrivals;
pub mod callers;
pub mod client;
pub mod cratedb;
pub mod dumps;
pub mod embedded;
pub mod identity;
pub mod kinesis_local;
pub mod kpl;
pub mod layer;
pub mod moto;
pub mod postgres;
pub mod process;
pub mod pushes;
pub mod records;
pub mod replay;
pub mod script;
pub mod tls;

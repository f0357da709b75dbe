//! The built program against an embedded Kinesis: what a user types, and what comes of it.

#[path = "program/bad_input.rs"]
mod bad_input;
#[path = "program/checkpoints.rs"]
mod checkpoints;
#[path = "program/kill.rs"]
mod kill;
#[path = "program/load.rs"]
mod load;
#[path = "program/secrets.rs"]
mod secrets;
#[path = "program/signals.rs"]
mod signals;
#[path = "program/world.rs"]
mod world;

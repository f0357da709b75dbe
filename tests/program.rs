//! The built program against an embedded Kinesis: what a user types, and what comes of it.

#[cfg(test)]
#[path = "program/bad_input.rs"]
mod bad_input;
#[cfg(test)]
#[path = "program/change_model.rs"]
mod change_model;
#[cfg(test)]
#[path = "program/changes.rs"]
mod changes;
#[cfg(test)]
#[path = "program/changes_edges.rs"]
mod changes_edges;
#[cfg(test)]
#[path = "program/changes_equal.rs"]
mod changes_equal;
#[cfg(test)]
#[path = "program/changes_run.rs"]
mod changes_run;
#[cfg(test)]
#[path = "program/chaos.rs"]
mod chaos;
#[cfg(test)]
#[path = "program/chaos_field.rs"]
mod chaos_field;
#[cfg(test)]
#[path = "program/checkpoints.rs"]
mod checkpoints;
#[cfg(test)]
#[path = "program/cratedb.rs"]
mod cratedb;
#[cfg(test)]
#[path = "program/cratedb_checkpoints.rs"]
mod cratedb_checkpoints;
#[cfg(test)]
#[path = "program/credentials.rs"]
mod credentials;
#[cfg(test)]
#[path = "program/dump.rs"]
mod dump;
#[cfg(test)]
#[path = "program/endpoints.rs"]
mod endpoints;
#[cfg(test)]
#[path = "program/examples.rs"]
mod examples;
#[cfg(test)]
#[path = "program/identity.rs"]
mod identity;
#[cfg(test)]
#[path = "program/kill.rs"]
mod kill;
#[cfg(test)]
#[path = "program/ledger.rs"]
mod ledger;
#[cfg(test)]
#[path = "program/load.rs"]
mod load;
#[cfg(test)]
#[path = "program/loss.rs"]
mod loss;
#[cfg(test)]
#[path = "program/postgres.rs"]
mod postgres;
#[cfg(test)]
#[path = "program/postgres_checkpoints.rs"]
mod postgres_checkpoints;
#[cfg(test)]
#[path = "program/postgres_faults.rs"]
mod postgres_faults;
#[cfg(test)]
#[path = "program/producers.rs"]
mod producers;
#[cfg(test)]
#[path = "program/renewal.rs"]
mod renewal;
#[cfg(test)]
#[path = "program/secrets.rs"]
mod secrets;
#[cfg(test)]
#[path = "program/shop.rs"]
mod shop;
#[cfg(test)]
#[path = "program/signals.rs"]
mod signals;
#[cfg(test)]
#[path = "program/world.rs"]
mod world;

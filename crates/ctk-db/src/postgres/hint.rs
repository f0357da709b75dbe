//! What a user can do about an error of PostgreSQL.

use std::io::ErrorKind;

use super::trouble::reported;

/// Returns a hint for an error of a connection that was to be opened.
pub(crate) fn connect_hint(error: &sqlx::Error) -> Option<String> {
    let hint = match error {
        sqlx::Error::Io(source) => match source.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::NotFound => {
                "check host and port, and that PostgreSQL is running"
            }
            ErrorKind::TimedOut => {
                "check host and port, and that no firewall is between; `connect_timeout` allows more time"
            }
            // What rustls says of a certificate comes as this.
            ErrorKind::InvalidData => {
                "name the authority that signed the server's certificate, with `sslrootcert`, and the host as the certificate has it"
            }
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => {
                "check that PostgreSQL listens at this port, and what its log says"
            }
            ErrorKind::PermissionDenied => "check the permissions of the socket",
            // A name that cannot be resolved has no kind of its own.
            _ => "check the host's name, and that it can be reached",
        },
        sqlx::Error::Tls(_) => {
            "`sslmode=prefer` takes encryption where the server has it, `disable` does without"
        }
        _ => return statement_hint(error),
    };
    Some(hint.into())
}

/// Returns a hint for an error that the server reported: ours for what users meet most, else that of the server.
pub(crate) fn statement_hint(error: &sqlx::Error) -> Option<String> {
    let error = reported(error)?;
    let hint = match error.code() {
        "28P01" => {
            "check user and password; in an address write `/` as `%2F`, `@` as `%40`, `:` as `%3A`; \
             or use PGPASSWORD or ~/.pgpass"
        }
        "28000" => {
            "check the user, and the server's pg_hba.conf; \
             if the server wants encryption, leave out `sslmode=disable`"
        }
        "3D000" => "check the name of the database, or create it first: CREATE DATABASE",
        "3F000" => "create the schema first: CREATE SCHEMA",
        "42501" => {
            "let the owner GRANT this user the right: USAGE and CREATE on the schema, INSERT and SELECT on the table, \
             TEMPORARY on the database; only the table's owner can add columns"
        }
        "25006" => "this server only reads; name the primary",
        "53100" => "the server's disk is full",
        "53200" => "the server has no memory left",
        "53300" => "end other sessions, or raise the server's max_connections",
        "57P03" => "the server is starting up or shutting down; try again in a moment",
        "57014" => "the server's statement_timeout may be too short",
        "55P03" => "another session holds a lock; see pg_locks",
        _ => return error.hint().map(str::to_owned),
    };
    Some(hint.into())
}

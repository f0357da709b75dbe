//! Names of columns in PostgreSQL: any text of 1 to 63 bytes but the names of the columns that every table has. Pure.

use crate::{columns::Naming, names::with_digest};

/// What fits into a name (`NAMEDATALEN`, <https://www.postgresql.org/docs/current/sql-syntax-lexical.html>).
pub const MOST_BYTES: usize = 63;

/// The columns that every table has (<https://www.postgresql.org/docs/current/ddl-system-columns.html>).
const SYSTEM: [&str; 6] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// What a digest adds.
const DIGEST_BYTES: usize = 10;

/// How PostgreSQL reads quoted names: letter by letter.
pub(crate) const NAMING: Naming = Naming { fit, fold: str::to_owned };

/// Returns the name of a table or a column, or, where PostgreSQL cannot hold it, its beginning and a digest of the whole.
pub fn fit(name: String) -> String {
    if name.is_empty() || SYSTEM.contains(&name.as_str()) {
        return with_digest(&name, &name);
    }
    if name.len() <= MOST_BYTES {
        return name;
    }
    let most = MOST_BYTES - DIGEST_BYTES;
    let end = (0..=most).rev().find(|end| name.is_char_boundary(*end)).unwrap_or_default();
    let head = name.get(..end).unwrap_or_default();
    with_digest(head, &name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_unless_they_cannot_be() {
        let check = |name: &str, expected: &str| assert_eq!(fit(name.to_owned()), expected);
        check("sensor_id", "sensor_id");
        check("Größe \"x\".[1]", "Größe \"x\".[1]");
        check("Ctid", "Ctid");
        check(&"a".repeat(63), &"a".repeat(63));
        for name in ["", "ctid", &"a".repeat(64), &"ä".repeat(32), &"日本".repeat(20)] {
            let fitted = fit(name.to_owned());
            assert!(fitted.len() <= MOST_BYTES && fitted.contains("__"), "{fitted}");
            assert_eq!(fit(fitted.clone()), fitted);
        }
        assert_ne!(fit("a".repeat(64)), fit("a".repeat(65)));
    }
}

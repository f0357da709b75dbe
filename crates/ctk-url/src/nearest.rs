//! Finds the name that was probably meant.

/// Returns the candidate closest to what was typed, unless none is close enough to be worth naming.
pub(crate) fn nearest(
    typed: &str,
    candidates: impl IntoIterator<Item = &'static str>,
) -> Option<&'static str> {
    let typed = typed.to_lowercase().replace('-', "_");
    // One slip in three letters, and no more than two: `regoin` is `region`, but `x` is nothing.
    let limit = typed.chars().count().div_ceil(3).min(2);
    candidates
        .into_iter()
        .map(|candidate| (distance(&typed, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit && *distance < typed.chars().count())
        .min()
        .map(|(_, candidate)| candidate)
}

/// Counts the letters to insert, remove, replace or swap with their neighbour to get from one text to the other.
fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().take(64).collect();
    let to: Vec<char> = to.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, &letter) in from.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, &other) in to.iter().enumerate() {
            let replaced = last[column] + usize::from(letter != other);
            let mut best = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && letter == to[column - 1] && from[row - 1] == other {
                best = best.min(before_last[column - 1] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        fn check(typed: &str, expected: Option<&str>) {
            let known = ["table", "region_name", "start", "start_date", "once", "checkpointer"];
            assert_eq!(nearest(typed, known), expected, "{typed}");
        }
        check("regoin_name", Some("region_name"));
        check("Table", Some("table"));
        check("tabel", Some("table"));
        check("start-dat", Some("start_date"));
        check("chekpointer", Some("checkpointer"));
        check("onec", Some("once"));
        check("x", None);
        check("", None);
        check("something_else", None);
    }
}

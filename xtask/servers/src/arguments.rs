//! What stands after the name of a chore: `--name`, `--name VALUE` and `--name=VALUE`, in any order, and nothing else.

use std::str::FromStr;

use anyhow::{Result, anyhow, bail};

/// What is left to be taken.
#[derive(Debug)]
pub(crate) struct Arguments(Vec<String>);

impl Arguments {
    /// Returns the words of a command line, without its program and chore.
    pub(crate) fn new(words: Vec<String>) -> Self {
        Self(words)
    }

    /// Takes an argument without a value, and returns whether it was there.
    pub(crate) fn take_flag(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|word| word != name);
        self.0.len() < before
    }

    /// Takes an argument with a value, if it is there.
    pub(crate) fn take<T: FromStr>(&mut self, name: &str) -> Result<Option<T>> {
        let named = |word: &String| {
            word == name || word.strip_prefix(name).is_some_and(|rest| rest.starts_with('='))
        };
        let Some(index) = self.0.iter().position(named) else { return Ok(None) };
        let word = self.0.remove(index);
        let value = match word.split_once('=') {
            Some((_, value)) => value.to_owned(),
            None if index < self.0.len() => self.0.remove(index),
            None => bail!("{name} needs a value"),
        };
        value.parse().map(Some).map_err(|_| anyhow!("{name}: {value:?} makes no sense"))
    }

    /// Takes an argument that must be there.
    pub(crate) fn require<T: FromStr>(&mut self, name: &str) -> Result<T> {
        self.take(name)?.ok_or_else(|| anyhow!("{name} is missing"))
    }

    /// Refuses what nobody took.
    pub(crate) fn finish(self) -> Result<()> {
        if !self.0.is_empty() {
            bail!("not understood: {}", self.0.join(" "));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Arguments {
        Arguments::new(line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn arguments_are_taken_in_any_order() {
        let mut arguments = arguments("--keep --records 5 --only=bare,null");
        assert_eq!(arguments.require::<String>("--only").unwrap(), "bare,null");
        assert_eq!(arguments.take::<u64>("--records").unwrap(), Some(5));
        assert_eq!(arguments.take::<u64>("--rounds").unwrap(), None);
        assert!(arguments.take_flag("--keep"));
        assert!(!arguments.take_flag("--keep"));
        arguments.finish().unwrap();
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let check = |line: &str, expected: &str| {
            let mut arguments = arguments(line);
            let error =
                arguments.require::<u64>("--records").and_then(|_| arguments.finish()).unwrap_err();
            assert_eq!(error.to_string(), expected, "{line}");
        };
        check("", "--records is missing");
        check("--records", "--records needs a value");
        check("--records=many", "--records: \"many\" makes no sense");
        check("--records 5 --record 6", "not understood: --record 6");
    }
}

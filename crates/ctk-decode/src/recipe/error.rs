//! What is wrong with a recipe, and where.

use thiserror::Error;

/// A recipe that is not understood, or asks for what is not there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct RecipeError {
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted from 1, in characters.
    pub column: usize,
    /// What is wrong there.
    pub problem: String,
}

/// A place in the text of a recipe, counted from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Place {
    pub(super) fn error(self, problem: impl Into<String>) -> RecipeError {
        RecipeError { line: self.line, column: self.column, problem: problem.into() }
    }
}

//! From the text of a statement to a [`Statement`]: the part of CrateDB's SQL that this project speaks, and no more.
//!
//! What it does not know is refused as a syntax error, also where CrateDB would take it.

mod create;
mod expression;

use super::{
    error::Error,
    syntax::{
        Conflict, Definition, Direction, Expression, Insert, Item, Name, Operator, Path, Select,
        Statement, Update,
    },
    tokens::{Token, split},
};

/// The longest statement (`StatementTooLong` from there on).
const LONGEST: usize = 262_144;

/// Parses one statement.
pub(super) fn parse(statement: &str) -> Result<Statement, Error> {
    if statement.len() > LONGEST {
        return Err(Error::sql(format!(
            "Statement exceeds `statement_max_length` ({} allowed, {} provided)",
            LONGEST,
            statement.len()
        )));
    }
    let tokens = split(statement)?;
    let mut parser = Parser { statement, tokens, at: 0, parameters: 0 };
    let parsed = parser.statement()?;
    parser.symbol(";");
    match parser.peek() {
        None => Ok(parsed),
        Some(_) => Err(parser.unexpected()),
    }
}

struct Parser<'a> {
    statement: &'a str,
    tokens: Vec<Token>,
    at: usize,
    /// How many `?` there were so far.
    parameters: usize,
}

impl Parser<'_> {
    fn statement(&mut self) -> Result<Statement, Error> {
        if self.word("select") {
            return self.select().map(Statement::Select);
        }
        if self.word("insert") {
            return self.insert().map(Statement::Insert);
        }
        if self.word("update") {
            return self.update().map(Statement::Update);
        }
        if self.words(&["delete", "from"]) {
            let table = self.name()?;
            let filter = self.filter()?;
            return Ok(Statement::Delete(table, filter));
        }
        if self.words(&["refresh", "table"]) {
            return self.name().map(Statement::Refresh);
        }
        if self.words(&["show", "create", "table"]) {
            return self.name().map(Statement::ShowCreate);
        }
        if self.words(&["drop", "table"]) {
            let if_exists = self.words(&["if", "exists"]);
            return Ok(Statement::Drop { table: self.name()?, if_exists });
        }
        if self.words(&["create", "table"]) {
            return self.create().map(Statement::Create);
        }
        if self.words(&["alter", "table"]) {
            let table = self.name()?;
            return self.altered(table);
        }
        Err(self.unexpected())
    }

    /// What comes behind ALTER TABLE and the name.
    fn altered(&mut self, table: Name) -> Result<Statement, Error> {
        if self.words(&["rename", "to"]) {
            return Ok(Statement::Rename { table, to: self.identifier()? });
        }
        if self.words(&["rename", "column"]) {
            let from = self.path()?;
            self.expect_word("to")?;
            return Ok(Statement::RenameColumn { table, from, to: self.path()? });
        }
        if self.is_word(0, "drop") {
            let dropped = |parser: &mut Self| {
                parser.expect_word("drop")?;
                parser.word("column");
                parser.path()
            };
            return Ok(Statement::DropColumns(table, self.list(dropped)?));
        }
        Ok(Statement::AddColumns(table, self.list(Self::added)?))
    }

    /// `ADD COLUMN "a" TYPE`; there is no IF NOT EXISTS.
    fn added(&mut self) -> Result<Definition, Error> {
        self.expect_word("add")?;
        self.word("column");
        self.definition()
    }

    fn insert(&mut self) -> Result<Insert, Error> {
        self.expect_word("into")?;
        let table = self.name()?;
        self.expect("(")?;
        let columns = self.list(|parser| parser.identifier().map(String::into_boxed_str))?;
        self.expect(")")?;
        self.expect_word("values")?;
        let rows = self.list(|parser| {
            parser.expect("(")?;
            let row = parser.list(Self::expression)?;
            parser.expect(")")?;
            if row.len() == columns.len() {
                Ok(row)
            } else {
                Err(Error::sql("INSERT has more expressions than target columns, or fewer"))
            }
        })?;
        let conflict = self.conflict()?;
        Ok(Insert { table, columns, rows, conflict })
    }

    fn conflict(&mut self) -> Result<Conflict, Error> {
        if !self.words(&["on", "conflict"]) {
            return Ok(Conflict::Fail);
        }
        let mut keys = Vec::new();
        if self.symbol("(") {
            keys = self.list(Self::path)?;
            self.expect(")")?;
        }
        self.expect_word("do")?;
        if self.word("nothing") {
            return Ok(Conflict::Nothing);
        }
        self.expect_word("update")?;
        self.expect_word("set")?;
        let assignments = self.list(Self::assignment)?;
        if keys.is_empty() {
            return Err(Error::sql("ON CONFLICT DO UPDATE needs the columns of the conflict"));
        }
        Ok(Conflict::Update { keys, assignments })
    }

    fn update(&mut self) -> Result<Update, Error> {
        let table = self.name()?;
        self.expect_word("set")?;
        let assignments = self.list(Self::assignment)?;
        Ok(Update { table, assignments, filter: self.filter()? })
    }

    fn assignment(&mut self) -> Result<(Path, Expression), Error> {
        let path = self.path()?;
        self.expect("=")?;
        Ok((path, self.sum()?))
    }

    fn filter(&mut self) -> Result<Option<Expression>, Error> {
        self.word("where").then(|| self.expression()).transpose()
    }

    fn select(&mut self) -> Result<Select, Error> {
        let items = self.list(Self::item)?;
        let from = self.word("from").then(|| self.name()).transpose()?;
        let filter = self.filter()?;
        let order = if self.words(&["order", "by"]) {
            self.list(|parser| {
                let expression = parser.sum()?;
                let direction =
                    if parser.word("desc") { Direction::Descending } else { Direction::Ascending };
                parser.word("asc");
                Ok((expression, direction))
            })?
        } else {
            Vec::new()
        };
        let limit = self.word("limit").then(|| self.primary()).transpose()?;
        Ok(Select { items, from, filter, order, limit })
    }

    fn item(&mut self) -> Result<Option<Item>, Error> {
        if self.symbol("*") {
            return Ok(None);
        }
        let expression = self.expression()?;
        let name = if self.word("as") {
            self.identifier()?
        } else {
            match self.peek() {
                Some(Token::Quoted(_)) => self.identifier()?,
                _ => expression::title(&expression),
            }
        };
        Ok(Some(Item { name, expression }))
    }

    fn name(&mut self) -> Result<Name, Error> {
        let first = self.identifier()?;
        if self.symbol(".") {
            Ok(Name { schema: Some(first), table: self.identifier()? })
        } else {
            Ok(Name { schema: None, table: first })
        }
    }

    /// `"a"` or `"a"['k']['l']`.
    fn path(&mut self) -> Result<Path, Error> {
        let mut path = vec![self.identifier()?.into_boxed_str()];
        while self.symbol("[") {
            match self.next() {
                Some(Token::Text(key)) => path.push(key.into_boxed_str()),
                _ => return Err(self.before()),
            }
            self.expect("]")?;
        }
        Ok(path)
    }

    fn identifier(&mut self) -> Result<String, Error> {
        match self.next() {
            Some(Token::Quoted(name) | Token::Word(name)) if !name.is_empty() => Ok(name),
            _ => Err(self.before()),
        }
    }

    fn list<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut list = vec![one(self)?];
        while self.symbol(",") {
            list.push(one(self)?);
        }
        Ok(list)
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn is_word(&self, ahead: usize, word: &str) -> bool {
        matches!(self.tokens.get(self.at + ahead), Some(Token::Word(found)) if found == word)
    }

    fn word(&mut self, word: &str) -> bool {
        self.words(&[word])
    }

    /// Takes these words, all or none.
    fn words(&mut self, words: &[&str]) -> bool {
        let found = words.iter().enumerate().all(|(ahead, word)| self.is_word(ahead, word));
        if found {
            self.at += words.len();
        }
        found
    }

    fn expect_word(&mut self, word: &str) -> Result<(), Error> {
        if self.word(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(found)) if *found == symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), Error> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn operator(&mut self) -> Option<Operator> {
        let Some(Token::Symbol(symbol)) = self.peek() else { return None };
        let operator = match *symbol {
            "=" => Operator::Equal,
            "<>" | "!=" => Operator::Unequal,
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            _ => return None,
        };
        self.at += 1;
        Some(operator)
    }

    /// The word that was just taken does not belong there.
    fn before(&mut self) -> Error {
        self.at = self.at.saturating_sub(1);
        self.unexpected()
    }

    fn unexpected(&self) -> Error {
        let found = match self.peek() {
            None => "<EOF>".to_owned(),
            Some(
                Token::Word(text) | Token::Quoted(text) | Token::Text(text) | Token::Number(text),
            ) => text.clone(),
            Some(Token::Parameter(_)) => "?".to_owned(),
            Some(Token::Symbol(symbol)) => (*symbol).to_owned(),
        };
        let shown: String = self.statement.chars().take(500).collect();
        Error::sql(format!("line 1: mismatched input '{found}' in: {shown}"))
    }
}

//! CREATE TABLE, and the definition of a column.

use super::{
    super::{
        error::Error,
        syntax::{Create, Declared, Definition, Path},
        tokens::Token,
        types::{Policy, Type},
    },
    Parser,
};

impl Parser<'_> {
    pub(super) fn create(&mut self) -> Result<Create, Error> {
        let if_not_exists = self.words(&["if", "not", "exists"]);
        let table = self.name()?;
        let (mut columns, mut keys) = (Vec::new(), Vec::new());
        self.expect("(")?;
        loop {
            if self.words(&["primary", "key"]) {
                keys = self.columns()?;
            } else {
                columns.push(self.definition()?);
            }
            if !self.symbol(",") {
                break;
            }
        }
        self.expect(")")?;
        let mut create = Create {
            table,
            if_not_exists,
            columns,
            keys,
            partitioned_by: Vec::new(),
            clustered_by: None,
            shards: None,
            properties: Vec::new(),
        };
        self.placement(&mut create)?;
        Ok(create)
    }

    /// PARTITIONED BY, CLUSTERED, WITH.
    fn placement(&mut self, create: &mut Create) -> Result<(), Error> {
        loop {
            if self.words(&["partitioned", "by"]) {
                create.partitioned_by = self.columns()?;
            } else if self.word("clustered") {
                if self.word("by") {
                    create.clustered_by = self.columns()?.pop();
                }
                if self.word("into") {
                    create.shards = Some(self.count()?);
                    self.expect_word("shards")?;
                }
            } else if self.word("with") {
                create.properties = self.properties()?;
            } else {
                return Ok(());
            }
        }
    }

    fn columns(&mut self) -> Result<Vec<Path>, Error> {
        self.expect("(")?;
        let columns = self.list(Self::path)?;
        self.expect(")")?;
        Ok(columns)
    }

    fn count(&mut self) -> Result<u32, Error> {
        match self.next() {
            Some(Token::Number(digits)) => digits.parse().map_err(|_| self.before()),
            _ => Err(self.before()),
        }
    }

    /// `(name = value, …)`; a name may have parts.
    fn properties(&mut self) -> Result<Vec<(String, String)>, Error> {
        self.expect("(")?;
        let properties = self.list(|parser| {
            let mut name = parser.identifier()?;
            while parser.symbol(".") {
                name.push('.');
                name.push_str(&parser.identifier()?);
            }
            parser.expect("=")?;
            match parser.next() {
                Some(Token::Text(value) | Token::Number(value) | Token::Word(value)) => {
                    Ok((name, value))
                }
                _ => Err(parser.before()),
            }
        })?;
        self.expect(")")?;
        Ok(properties)
    }

    pub(super) fn definition(&mut self) -> Result<Definition, Error> {
        let path = self.path()?;
        let mut definition = Definition {
            path,
            kind: Declared::Plain(Type::Undefined),
            default: None,
            is_not_null: false,
            is_key: false,
            is_generated: false,
            is_indexed: true,
            is_in_columnstore: true,
        };
        definition.kind = self.declared()?;
        loop {
            if self.words(&["not", "null"]) {
                definition.is_not_null = true;
            } else if self.words(&["primary", "key"]) {
                definition.is_key = true;
            } else if self.words(&["index", "off"]) {
                definition.is_indexed = false;
            } else if self.words(&["storage", "with"]) {
                let properties = self.properties()?;
                let off =
                    |(name, value): &(String, String)| name == "columnstore" && value == "false";
                definition.is_in_columnstore = !properties.iter().any(off);
            } else if self.word("default") {
                definition.default = Some(self.primary()?);
            } else if self.words(&["generated", "always", "as"]) {
                definition.is_generated = true;
                self.skip_parentheses()?;
            } else {
                return Ok(definition);
            }
        }
    }

    /// What a generated column is made of does not matter here: it is never computed.
    fn skip_parentheses(&mut self) -> Result<(), Error> {
        self.expect("(")?;
        let mut depth = 1;
        while depth > 0 {
            match self.next() {
                Some(Token::Symbol("(")) => depth += 1,
                Some(Token::Symbol(")")) => depth -= 1,
                Some(_) => {}
                None => return Err(self.unexpected()),
            }
        }
        Ok(())
    }

    fn declared(&mut self) -> Result<Declared, Error> {
        if self.word("object") {
            let mut policy = Policy::Dynamic;
            if self.symbol("(") {
                policy = match self.identifier()?.as_str() {
                    "dynamic" => Policy::Dynamic,
                    "strict" => Policy::Strict,
                    "ignored" => Policy::Ignored,
                    _ => return Err(self.before()),
                };
                self.expect(")")?;
            }
            let mut members = Vec::new();
            if self.word("as") {
                self.expect("(")?;
                members = self.list(Self::definition)?;
                self.expect(")")?;
            }
            return Ok(Declared::Object(policy, members));
        }
        if self.word("array") {
            self.expect("(")?;
            let inner = self.declared()?;
            self.expect(")")?;
            return Ok(Declared::Array(inner.into()));
        }
        self.plain_type().map(Declared::Plain)
    }

    /// A type that is neither an object nor an array.
    pub(super) fn plain_type(&mut self) -> Result<Type, Error> {
        let name = self.identifier()?;
        Ok(match name.as_str() {
            "boolean" => Type::Boolean,
            "char" | "byte" => Type::Char,
            "smallint" | "short" => Type::SmallInt,
            "integer" | "int" => Type::Integer,
            "bigint" | "long" => Type::BigInt,
            "real" | "float" => Type::Real,
            "double" => {
                self.word("precision");
                Type::Double
            }
            "text" | "string" | "varchar" => Type::Text,
            "numeric" | "decimal" => Type::Numeric(self.precision()?),
            "timestamp" if self.words(&["without", "time", "zone"]) => Type::Timestamp,
            "timestamp" if self.words(&["with", "time", "zone"]) => Type::TimestampTz,
            "timestamp" => Type::Timestamp,
            "timestamptz" => Type::TimestampTz,
            "ip" => Type::Ip,
            "geo_point" => Type::GeoPoint,
            _ => {
                let shown: String = self.statement.chars().take(500).collect();
                return Err(Error::sql(format!("Cannot find data type: {name} in: {shown}")));
            }
        })
    }

    fn precision(&mut self) -> Result<Option<(u32, u32)>, Error> {
        if !self.symbol("(") {
            return Ok(None);
        }
        let precision = self.count()?;
        let scale = if self.symbol(",") { self.count()? } else { 0 };
        self.expect(")")?;
        Ok(Some((precision, scale)))
    }
}

//! Expressions: conditions, comparisons, sums, casts.

use super::{
    super::{
        error::Error,
        syntax::{Aggregate, Expression, Operator},
        tokens::Token,
        value::Value,
    },
    Parser,
};

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Result<Expression, Error> {
        let mut left = self.conjunction()?;
        while self.word("or") {
            left = Expression::Or(left.into(), self.conjunction()?.into());
        }
        Ok(left)
    }

    fn conjunction(&mut self) -> Result<Expression, Error> {
        let mut left = self.negation()?;
        while self.word("and") {
            left = Expression::And(left.into(), self.negation()?.into());
        }
        Ok(left)
    }

    fn negation(&mut self) -> Result<Expression, Error> {
        if self.word("not") {
            return Ok(Expression::Not(self.negation()?.into()));
        }
        let left = self.sum()?;
        if self.word("is") {
            let is_not = self.word("not");
            self.expect_word("null")?;
            let test = Expression::IsNull(left.into());
            return Ok(if is_not { Expression::Not(test.into()) } else { test });
        }
        let is_not = self.words(&["not", "in"]);
        if is_not || self.word("in") {
            self.expect("(")?;
            let list = self.list(Self::expression)?;
            self.expect(")")?;
            let test = Expression::In(left.into(), list);
            return Ok(if is_not { Expression::Not(test.into()) } else { test });
        }
        let Some(operator) = self.operator() else { return Ok(left) };
        if operator == Operator::Equal && self.word("any") {
            self.expect("(")?;
            let list = self.expression()?;
            self.expect(")")?;
            return Ok(Expression::Any(left.into(), list.into()));
        }
        Ok(Expression::Binary(operator, left.into(), self.sum()?.into()))
    }

    pub(super) fn sum(&mut self) -> Result<Expression, Error> {
        let mut left = self.primary()?;
        loop {
            let operator = if self.symbol("+") {
                Operator::Plus
            } else if self.symbol("-") {
                Operator::Minus
            } else {
                return Ok(left);
            };
            left = Expression::Binary(operator, left.into(), self.primary()?.into());
        }
    }

    pub(super) fn primary(&mut self) -> Result<Expression, Error> {
        let mut expression = self.atom()?;
        while self.symbol("::") {
            expression = Expression::Cast(expression.into(), self.plain_type()?);
        }
        Ok(expression)
    }

    fn atom(&mut self) -> Result<Expression, Error> {
        if self.symbol("(") {
            let inner = self.expression()?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.symbol("-") {
            let Some(Token::Number(digits)) = self.next() else { return Err(self.before()) };
            return number(&format!("-{digits}")).ok_or_else(|| self.before());
        }
        if matches!(self.peek(), Some(Token::Word(_) | Token::Quoted(_))) {
            return self.named();
        }
        match self.next() {
            Some(Token::Parameter(Some(index))) if index > 0 => {
                Ok(Expression::Parameter(index - 1))
            }
            Some(Token::Parameter(None)) => {
                self.parameters += 1;
                Ok(Expression::Parameter(self.parameters - 1))
            }
            Some(Token::Text(text)) => Ok(Expression::Constant(Value::Text(text.into()))),
            Some(Token::Number(digits)) => number(&digits).ok_or_else(|| self.before()),
            _ => Err(self.before()),
        }
    }

    fn named(&mut self) -> Result<Expression, Error> {
        if self.word("true") {
            return Ok(Expression::Constant(Value::Bool(true)));
        }
        if self.word("false") {
            return Ok(Expression::Constant(Value::Bool(false)));
        }
        if self.word("null") {
            return Ok(Expression::Constant(Value::Null));
        }
        if self.word("current_timestamp") {
            return Ok(Expression::Now);
        }
        let is_call = matches!(self.tokens.get(self.at + 1), Some(Token::Symbol("(")));
        if is_call && matches!(self.peek(), Some(Token::Word(_))) {
            return self.call();
        }
        if self.is_word(0, "excluded")
            && matches!(self.tokens.get(self.at + 1), Some(Token::Symbol(".")))
        {
            self.at += 2;
            return self.path().map(Expression::Excluded);
        }
        self.path().map(Expression::Column)
    }

    fn call(&mut self) -> Result<Expression, Error> {
        let function = self.identifier()?;
        self.expect("(")?;
        let call = match function.as_str() {
            "version" => Expression::Version,
            "cast" => {
                let value = self.expression()?;
                self.expect_word("as")?;
                Expression::Cast(value.into(), self.plain_type()?)
            }
            "count" if self.symbol("*") => {
                Expression::Aggregate(Aggregate::CountAll, Expression::Constant(Value::Null).into())
            }
            "count" if self.word("distinct") => {
                Expression::Aggregate(Aggregate::CountDistinct, self.sum()?.into())
            }
            "count" => Expression::Aggregate(Aggregate::Count, self.sum()?.into()),
            "sum" => Expression::Aggregate(Aggregate::Sum, self.sum()?.into()),
            "min" => Expression::Aggregate(Aggregate::Min, self.sum()?.into()),
            "max" => Expression::Aggregate(Aggregate::Max, self.sum()?.into()),
            _ => {
                self.at -= 2;
                return Err(self.unexpected());
            }
        };
        self.expect(")")?;
        Ok(call)
    }
}

fn number(digits: &str) -> Option<Expression> {
    super::super::json::parse(digits).map(Expression::Constant)
}

/// Returns the name that a column of an answer has where the statement gives none.
pub(super) fn title(expression: &Expression) -> String {
    match expression {
        Expression::Parameter(index) => format!("${}", index + 1),
        Expression::Constant(value) => value.to_json(),
        Expression::Now => "current_timestamp".to_owned(),
        Expression::Version => "version()".to_owned(),
        Expression::Column(path) | Expression::Excluded(path) => super::super::types::display(path),
        Expression::Aggregate(function, inner) => match function {
            Aggregate::CountAll => "count(*)".to_owned(),
            Aggregate::Count => format!("count({})", title(inner)),
            Aggregate::CountDistinct => format!("count(DISTINCT {})", title(inner)),
            Aggregate::Sum => format!("sum({})", title(inner)),
            Aggregate::Min => format!("min({})", title(inner)),
            Aggregate::Max => format!("max({})", title(inner)),
        },
        Expression::Cast(inner, _) => title(inner),
        _ => "expression".to_owned(),
    }
}

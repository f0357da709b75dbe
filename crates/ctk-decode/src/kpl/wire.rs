//! The wire format of Protocol Buffers (<https://protobuf.dev/programming-guides/encoding/>): fields, one by one.
//!
//! It knows no message: what a field means, and which way of writing it is right, is up to the caller. Groups, which were
//! given up long ago, are refused. A varint may be longer than it must be, but not than 64 bits.

/// The message ends in the middle of a field, or what stands there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// The value of a field, as far as it can be told without knowing the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire<'a> {
    /// An integer.
    Varint(u64),
    /// A text, bytes, or a message in the message.
    Bytes(&'a [u8]),
    /// Four or eight bytes, which nobody here asks for.
    Fixed,
}

/// The fields of a message, with their numbers, in the order in which they stand. Nothing follows an error.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Returns the fields of `message`.
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn field(&mut self) -> Option<(u32, Wire<'a>)> {
        let key = u32::try_from(self.varint()?).ok()?;
        let value = match key & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => self.take(8).map(|_| Wire::Fixed)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Wire::Fixed)?,
            _ => return None,
        };
        match key >> 3 {
            0 => None,
            number => Some((number, value)),
        }
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Wire<'a>), Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field.ok_or(Broken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_one_by_one() {
        let check = |bytes: &[u8], expected: &[Result<(u32, Wire<'_>), Broken>]| {
            let fields: Vec<_> = Fields::of(bytes).collect();
            assert_eq!(fields, expected, "{bytes:02x?}");
        };
        let varint = |number, value| Ok((number, Wire::Varint(value)));
        check(&[], &[]);
        check(&[0x08, 0x96, 0x01], &[varint(1, 150)]);
        check(&[0x12, 0x01, 0x61, 0x10, 0x00], &[Ok((2, Wire::Bytes(b"a"))), varint(2, 0)]);
        check(&[0x0a, 0x00], &[Ok((1, Wire::Bytes(b"")))]);
        check(&[0x09, 1, 2, 3, 4, 5, 6, 7, 8], &[Ok((1, Wire::Fixed))]);
        check(&[0x0d, 1, 2, 3, 4, 0x08, 1], &[Ok((1, Wire::Fixed)), varint(1, 1)]);
        // The highest number there is, and one beyond.
        check(&[0xf8, 0xff, 0xff, 0xff, 0x0f, 7], &[varint(0x1fff_ffff, 7)]);
        check(&[0xf8, 0xff, 0xff, 0xff, 0x1f, 7], &[Err(Broken)]);
        // Longer than it must be, and as long as it may be.
        check(&[0x88, 0x00, 0x81, 0x80, 0x00], &[varint(1, 1)]);
        let ten = |last| [&[0x08][..], &[0xff; 9], &[last]].concat();
        check(&ten(0x01), &[varint(1, u64::MAX)]);
        check(&ten(0x02), &[Err(Broken)]);
        check(&ten(0x81), &[Err(Broken)]);
        // Number 0; groups, and the two kinds that never were; what ends early.
        check(&[0x00, 0x00], &[Err(Broken)]);
        for kind in [3, 4, 6, 7] {
            check(&[0x08, 1, 0x08 | kind, 0x08, 1], &[varint(1, 1), Err(Broken)]);
        }
        check(&[0x80], &[Err(Broken)]);
        check(&[0x08], &[Err(Broken)]);
        check(&[0x08, 0x80], &[Err(Broken)]);
        check(&[0x0a], &[Err(Broken)]);
        check(&[0x0a, 0x02, 0x61], &[Err(Broken)]);
        check(&[0x09, 1, 2, 3, 4, 5, 6, 7], &[Err(Broken)]);
        check(&[0x0d, 1, 2, 3], &[Err(Broken)]);
        let endless = [&[0x0a][..], &[0xff; 9], &[0x01, 0x61]].concat();
        check(&endless, &[Err(Broken)]);
    }
}

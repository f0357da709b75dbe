//! CBOR by hand and by accident: what is read, what is refused, and that no bytes do harm.

use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_schema::{ShapeType, prelude};
use aws_smithy_types::{Blob, DateTime};
use proptest::prelude::{any, proptest};

use super::*;

static TEXT: Schema<'static> =
    Schema::new_member(shape_id!("test", "S", "Text"), ShapeType::String, "Text", 0);
static NUMBER: Schema<'static> =
    Schema::new_member(shape_id!("test", "S", "Number"), ShapeType::Long, "Number", 1);
static DATA: Schema<'static> =
    Schema::new_member(shape_id!("test", "S", "Data"), ShapeType::Blob, "Data", 2);
static TIME: Schema<'static> =
    Schema::new_member(shape_id!("test", "S", "Time"), ShapeType::Timestamp, "Time", 3);
static LIST: Schema<'static> =
    Schema::new_member(shape_id!("test", "S", "List"), ShapeType::List, "List", 4);
static STRUCTURE: Schema<'static> = Schema::new_struct(
    shape_id!("test", "S"),
    ShapeType::Structure,
    &[&TEXT, &NUMBER, &DATA, &TIME, &LIST],
);

/// A structure with a member of each kind that answers have, and with lists of itself.
#[derive(Debug, Default, PartialEq)]
struct Sample {
    text: Option<String>,
    number: Option<i64>,
    data: Option<Vec<u8>>,
    millis: Option<i64>,
    list: Vec<Self>,
}

impl Sample {
    fn read(deserializer: &mut dyn ShapeDeserializer) -> Result<Self, SerdeError> {
        let mut sample = Self::default();
        deserializer.read_struct(&STRUCTURE, &mut |member, value| {
            match member.member_index() {
                Some(0) => sample.text = Some(value.read_string(member)?),
                Some(1) => sample.number = Some(value.read_long(member)?),
                Some(2) => sample.data = Some(value.read_blob(member)?.into_inner()),
                Some(3) => sample.millis = value.read_timestamp(member)?.to_millis().ok(),
                Some(4) => value.read_list(member, &mut |element| {
                    sample.list.push(Self::read(element)?);
                    Ok(())
                })?,
                _ => unreachable!("there is no other"),
            }
            Ok(())
        })?;
        Ok(sample)
    }
}

impl SerializableStruct for Sample {
    fn schema(&self) -> &Schema<'_> {
        &STRUCTURE
    }

    fn serialize_members(&self, writer: &mut dyn ShapeSerializer) -> Result<(), SerdeError> {
        if let Some(text) = &self.text {
            writer.write_string(&TEXT, text)?;
        }
        if let Some(number) = self.number {
            writer.write_long(&NUMBER, number)?;
        }
        if let Some(data) = &self.data {
            writer.write_blob(&DATA, Blob::new(data.clone()))?;
        }
        if let Some(millis) = self.millis {
            writer.write_timestamp(&TIME, &DateTime::from_millis(millis))?;
        }
        writer.write_list(&LIST, &|writer| {
            self.list.iter().try_for_each(|sample| writer.write_struct(&STRUCTURE, sample))
        })
    }
}

fn read(message: &[u8]) -> Result<Sample, String> {
    Sample::read(&mut Tokens::new(message)).map_err(|error| error.to_string())
}

/// Reads the value of one member, which begins a map that goes on to a break.
fn member(name: &[u8], value: &[u8]) -> Result<Sample, String> {
    let length = 0x60 | u8::try_from(name.len()).unwrap();
    read(&[&[0xbf, length], name, value, &[0xff]].concat())
}

#[test]
fn texts_are_read_in_every_way_of_writing_them() {
    let check = |value: &[u8], expected: Option<&str>| {
        let text = member(b"Text", value).ok().and_then(|sample| sample.text);
        assert_eq!(text.as_deref(), expected, "{value:x?}");
    };
    check(b"\x60", Some(""));
    check(b"\x62ab", Some("ab"));
    check(b"\x78\x02ab", Some("ab"));
    check(b"\x79\x00\x02ab", Some("ab"));
    check(b"\x7a\x00\x00\x00\x02ab", Some("ab"));
    check(b"\x7b\x00\x00\x00\x00\x00\x00\x00\x02ab", Some("ab"));
    check(b"\x7f\x61a\x61b\xff", Some("ab"));
    check(b"\xd9\xd9\xf7\x62ab", Some("ab"));
    check("\x63\u{20ac}".as_bytes(), Some("\u{20ac}"));
    // Absent, for a member that is null.
    check(b"\xf6", None);
    check(b"\xf7", None);
    // Not UTF-8; bytes; a length beyond the end; a piece of another kind, and in pieces itself.
    check(b"\x61\xff", None);
    check(b"\x42ab", None);
    check(b"\x7b\xff\xff\xff\xff\xff\xff\xff\xffab", None);
    check(b"\x7f\x41a\xff", None);
    check(b"\x7f\x7f\x61a\xff\xff", None);
}

#[test]
fn payloads_are_bytes_and_nothing_else() {
    let data = |value: &[u8]| member(b"Data", value).map(|sample| sample.data);
    assert_eq!(data(b"\x43\x00\xffa"), Ok(Some(b"\x00\xffa".to_vec())));
    assert_eq!(data(b"\x5f\x41\x00\x41\xff\xff"), Ok(Some(vec![0, 0xff])));
    assert_eq!(data(b"\x40"), Ok(Some(Vec::new())));
    let error = data(b"\x64YQ==").unwrap_err();
    assert!(error.contains("text where a byte string is due"), "{error}");
}

#[test]
fn times_are_tagged_milliseconds_or_plain_seconds() {
    let check = |value: &[u8], expected: Option<i64>| {
        let millis = member(b"Time", value).ok().and_then(|sample| sample.millis);
        assert_eq!(millis, expected, "{value:x?}");
    };
    // 1700000000123 as an integer and as a float of eight bytes.
    check(b"\xc1\x1b\x00\x00\x01\x8b\xcf\xe5\x68\x7b", Some(1_700_000_000_123));
    let float = |number: f64| [&[0xfb][..], &number.to_be_bytes()].concat();
    check(&[&[0xc1][..], &float(1.700_000_000_123e12)].concat(), Some(1_700_000_000_123));
    check(b"\x1a\x65\x53\xf1\x00", Some(1_700_000_000_000));
    check(&float(1_700_000_000.123), Some(1_700_000_000_123));
    check(b"\xfa\x3f\xc0\x00\x00", Some(1500));
    check(b"\x00", Some(0));
    // Tagged seconds and plain milliseconds: not told apart from nonsense.
    check(b"\xc1\x1a\x65\x53\xf1\x00", None);
    check(b"\x1b\x00\x00\x01\x8b\xcf\xe5\x68\x7b", None);
    check(b"\xc1\x1b\xff\xff\xff\xff\xff\xff\xff\xff", None);
    check(b"\xc0\x61a", None);
    check(&float(f64::NAN), None);
    check(&float(f64::INFINITY), None);
    check(b"\xf9\x7c\x00", None);
    check(b"\x29", None);
}

#[test]
fn numbers_are_read_in_every_way_of_writing_them() {
    let check = |value: &[u8], expected: Option<i64>| {
        let number = member(b"Number", value).ok().and_then(|sample| sample.number);
        assert_eq!(number, expected, "{value:x?}");
    };
    check(b"\x17", Some(23));
    check(b"\x18\x18", Some(24));
    check(b"\x20", Some(-1));
    check(b"\x1b\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i64::MAX));
    check(b"\x3b\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i64::MIN));
    check(b"\x1b\x80\x00\x00\x00\x00\x00\x00\x00", None);
    // 1.0 and 1.5 in two bytes, 2.0 in eight: whole floats come from languages that have no integers.
    check(b"\xf9\x3c\x00", Some(1));
    check(b"\xf9\x3e\x00", None);
    check(b"\xfb\x40\x00\x00\x00\x00\x00\x00\x00", Some(2));
    check(b"\x61\x31", None);
    check(b"\x1c", None);
}

#[test]
fn unknown_members_are_passed_over() {
    let check = |unknown: &[u8]| {
        let message = [b"\xa2\x65Other", unknown, b"\x66Number\x07"].concat();
        let number = read(&message).ok().and_then(|sample| sample.number);
        assert_eq!(number, Some(7), "{unknown:x?}");
    };
    check(b"\x63abc");
    check(b"\x5f\x41a\xff");
    check(b"\x82\x01\xa1\x61a\x9f\xbf\xff\xff");
    check(b"\xc1\xfb\x00\x00\x00\x00\x00\x00\x00\x00");
    check(b"\xf8\xff");
}

#[test]
fn what_is_hostile_is_refused() {
    let deep = [vec![0x81; 1_000_000], vec![0x01]].concat();
    let check = |message: &[u8]| assert!(read(message).is_err(), "{:x?}", message.get(..8));
    check(b"");
    check(b"{}");
    check(b"<html></html>");
    check(b"\xa1");
    check(b"\xbf");
    check(b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff");
    check(b"\xa1\x64List\x9b\xff\xff\xff\xff\xff\xff\xff\xff");
    check(b"\xa1\x01\x01");
    check(&[b"\xa1\x65Other", deep.as_slice()].concat());
    // More empty structures than an answer can have: a byte each here, a hundred in memory.
    check(&[b"\xa1\x64List\x9f", vec![0xa0; 200_000].as_slice(), b"\xff"].concat());
}

proptest! {
    #[test]
    fn any_bytes_give_an_answer_or_an_error(
        bytes in any::<Vec<u8>>(),
        name in 0..5_usize,
    ) {
        drop(read(&bytes));
        let names: [&[u8]; 5] = [b"Text", b"Number", b"Data", b"Time", b"List"];
        drop(member(names[name], &bytes));
        drop(Tokens::new(&bytes).skip());
        drop(Cbor::default().parse_error_metadata(&response(&bytes, ""), &ConfigBag::base()));
    }

    #[test]
    fn what_is_written_is_read(
        text in any::<Option<String>>(),
        number in any::<Option<i64>>(),
        data in any::<Option<Vec<u8>>>(),
        millis in proptest::option::of(1_000_000_000_000..2_000_000_000_000_i64),
        elements in 0..3_usize,
        cut in any::<proptest::sample::Index>(),
    ) {
        let list = (0..elements).map(|_| Sample { data: data.clone(), ..Sample::default() }).collect();
        let sample = Sample { text, number, data, millis, list };
        let mut writer = Writer::default();
        writer.write_struct(&STRUCTURE, &sample).unwrap();
        let message = writer.finish();
        let short = read(&message[..cut.index(message.len())]);
        assert!(short.is_err(), "an answer that breaks off must not pass for a whole one");
        assert_eq!(read(&message), Ok(sample));
    }
}

fn response(body: &[u8], error_type: &str) -> Response {
    let mut response = Response::new(StatusCode::try_from(400).unwrap(), SdkBody::from(body));
    response.headers_mut().insert("content-type", CONTENT_TYPE);
    if !error_type.is_empty() {
        response.headers_mut().insert("x-amzn-errortype", error_type.to_owned());
    }
    response
}

#[test]
fn errors_are_told_by_code_and_message() {
    let check = |body: &[u8], header: &str, code: Option<&str>, message: Option<&str>| {
        let config = ConfigBag::base();
        let parsed = Cbor::default().parse_error_metadata(&response(body, header), &config);
        let parsed = parsed.unwrap().build();
        assert_eq!((parsed.code(), parsed.message()), (code, message), "{body:x?}");
    };
    let (expired, old) = (Some("Expired"), Some("old"));
    check(b"\xa2\x66__type\x67Expired\x67message\x63old", "", expired, old);
    check(b"\xbf\x67Message\x63old\x66__type\x69a#Expired\xff", "", expired, old);
    check(b"\xa2\x61x\x81\x01\x66__type\x67Expired", "", expired, None);
    check(b"\xa1\x67message\x63old", "Expired:http://x", expired, old);
    check(br#"{"__type":"a#Expired","message":"old"}"#, "", expired, old);
    check(b"", "", None, None);
    check(b"{", "", None, None);
    check(b"<html>", "", None, None);
    check(b"<html>", "Expired", expired, None);
}

#[test]
fn an_answer_of_another_type_is_refused() {
    let config = ConfigBag::base();
    let mut answer = response(b"\xa0", "");
    let protocol = Cbor::default();
    let read = |answer: &Response| {
        protocol.deserialize_response(answer, &prelude::DOCUMENT, &config).map(drop)
    };
    assert!(read(&answer).is_ok());
    answer.headers_mut().insert("content-type", "application/x-amz-json-1.1");
    let error = read(&answer).unwrap_err();
    assert!(is_not_cbor(&error), "{error}");
    assert_eq!(protocol.protocol_id().as_str(), ID);
}

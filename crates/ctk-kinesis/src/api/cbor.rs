//! CBOR 1.1 as Kinesis speaks it, a protocol for the AWS SDK, which has only JSON: payloads come as bytes, not as base64 text,
//! and cost little more than copying them.
//!
//! Amazon's own clients for Java speak it. The messages are those of JSON 1.1, written in CBOR
//! (<https://www.rfc-editor.org/rfc/rfc8949>), with two rules of their own: a blob is a byte string, and a time is tag 1 with
//! **milliseconds**, where the RFC has seconds. What is not so is refused: it must never be taken for something else.
//!
//! It knows no operation and no type of Kinesis; the SDK brings them as schemas.

mod read;
#[cfg(test)]
mod tests;
mod tokens;
mod write;

use std::error::Error;

use aws_smithy_json::protocol::aws_json_rpc::AwsJsonRpcProtocol;
use aws_smithy_runtime_api::{
    client::orchestrator::Metadata,
    http::{Request, Response},
};
use aws_smithy_schema::{
    Schema, ShapeId,
    error_envelope::sanitize_error_code,
    protocol::{ClientProtocolInner, apply_http_endpoint},
    serde::{SerdeError, SerializableStruct, ShapeDeserializer, ShapeSerializer},
    shape_id,
};
use aws_smithy_types::{
    body::SdkBody,
    config_bag::ConfigBag,
    endpoint::Endpoint,
    error::{ErrorMetadata, metadata},
};

use tokens::Tokens;
use write::Writer;

/// The media type of requests and answers.
pub const CONTENT_TYPE: &str = "application/x-amz-cbor-1.1";

/// The name of the protocol among those of the SDK.
pub(super) const ID: &str = "aws.protocols#awsCbor1_1";

/// The name of the service in `X-Amz-Target`.
const SERVICE: &str = "Kinesis_20131202";

/// The protocol, for the configuration of a client.
#[derive(Debug)]
pub struct Cbor {
    id: ShapeId<'static>,
    /// For errors: a gateway in front of the service may answer in JSON whatever it was asked in.
    json: AwsJsonRpcProtocol,
}

impl Default for Cbor {
    fn default() -> Self {
        let id = shape_id!("aws.protocols", "awsCbor1_1");
        Self { id, json: AwsJsonRpcProtocol::aws_json_1_1() }
    }
}

/// Returns whether an error of the SDK says that an answer is not what this protocol has.
pub(super) fn is_not_cbor(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<SerdeError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

impl ClientProtocolInner for Cbor {
    type Request = Request;
    type Response = Response;

    fn protocol_id(&self) -> &ShapeId<'static> {
        &self.id
    }

    fn serialize_request(
        &self,
        input: &dyn SerializableStruct,
        schema: &Schema<'_>,
        _: &str,
        config: &ConfigBag,
    ) -> Result<Request, SerdeError> {
        let mut writer = Writer::default();
        writer.write_struct(schema, input)?;
        let body = writer.finish();
        let length = body.len().to_string();
        let mut request = Request::new(SdkBody::from(body));
        let refused = |error: &dyn Error| SerdeError::custom(error.to_string());
        request.set_method("POST").map_err(|error| refused(&error))?;
        request.set_uri("/").map_err(|error| refused(&error))?;
        let headers = request.headers_mut();
        headers.insert("Content-Type", CONTENT_TYPE);
        headers.insert("Content-Length", length);
        if let Some(operation) = config.load::<Metadata>() {
            headers.insert("X-Amz-Target", format!("{SERVICE}.{}", operation.name()));
        }
        Ok(request)
    }

    fn deserialize_response<'a>(
        &self,
        response: &'a Response,
        _: &Schema<'_>,
        _: &'a ConfigBag,
    ) -> Result<Box<dyn ShapeDeserializer + 'a>, SerdeError> {
        let kind = response.headers().get("content-type").unwrap_or_default();
        let plain = kind.split(';').next().unwrap_or_default().trim();
        if !plain.eq_ignore_ascii_case(CONTENT_TYPE) {
            let what = format!("the answer is {kind:?}, not {CONTENT_TYPE}");
            return Err(SerdeError::invalid_input(what));
        }
        Ok(Box::new(Tokens::new(body(response))))
    }

    fn parse_error_metadata(
        &self,
        response: &Response,
        config: &ConfigBag,
    ) -> Result<metadata::Builder, SerdeError> {
        // By the bytes, since some servers write errors in JSON and say that it is CBOR.
        let parsed = match body(response).first() {
            Some(b'{') => self.json.parse_error_metadata(response, config),
            _ => parse_error(response),
        };
        // What is neither says nothing, and then the HTTP status decides.
        Ok(parsed.unwrap_or_else(|_| ErrorMetadata::builder()))
    }

    fn deserialize_error_response<'a>(
        &self,
        _: &'a Response,
        _: &'a ConfigBag,
    ) -> Result<Box<dyn ShapeDeserializer + 'a>, SerdeError> {
        // Code and message are known by now, and nobody asks for more.
        Ok(Box::new(Tokens::new(&[tokens::EMPTY_MAP])))
    }

    fn update_endpoint(
        &self,
        request: &mut Request,
        endpoint: &Endpoint,
        config: &ConfigBag,
    ) -> Result<(), SerdeError> {
        apply_http_endpoint(request, endpoint, config)
    }
}

fn body(response: &Response) -> &[u8] {
    response.body().bytes().unwrap_or_default()
}

/// Reads code and message of an error, which stand where JSON has them.
fn parse_error(response: &Response) -> Result<metadata::Builder, SerdeError> {
    let mut builder = ErrorMetadata::builder();
    let (mut code, mut message) = (None, None);
    let header = response.headers().get("x-amzn-errortype").map(str::to_owned);
    let read = read::texts(&mut Tokens::new(body(response)), |member, text| match member {
        b"__type" => code = code.take().or(Some(text)),
        b"code" => code = Some(text),
        b"message" | b"Message" | b"errorMessage" => message = Some(text),
        _ => {}
    });
    if let Some(code) = header.or(code) {
        builder = builder.code(sanitize_error_code(&code));
    } else {
        read?;
    }
    if let Some(message) = message {
        builder = builder.message(message);
    }
    Ok(builder)
}

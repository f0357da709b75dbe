//! Addresses: text in, values out.
//!
//! `ctk` is told everything that concerns one source or one target by one URL. This crate knows the grammar of both kinds
//! ([`SourceUrl`], [`TargetUrl`]) and hands out the query as [`Options`]; which options exist is known by the source or sink
//! that takes them, one [`OptionSpec`] each. It does no I/O and reads neither the environment nor a clock: whether a file or
//! a stream exists is for others to find out.
//!
//! Three promises hold for every text whatsoever, and are tested as properties:
//!
//! - parsing never panics, and what was parsed and written out again parses to the same value;
//! - `Display` and `Debug` print `***` where a secret stands, and only methods named "exposed" print it;
//! - no error repeats a part of an address that may be a secret: it names the place, and its `hint()` says what to write.
//!
//! ```
//! use ctk_url::{OptionSpec, SourceScheme, SourceUrl};
//!
//! const REGION: OptionSpec = OptionSpec::new(&["region_name", "region", "aws_region"], "–", "region of the stream");
//! const TABLE: OptionSpec = OptionSpec::new(&["table"], "required", "stream name or ARN");
//! const SECRET: OptionSpec = OptionSpec::new(&["aws_secret_access_key"], "–", "secret of the key");
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let url = SourceUrl::parse("kinesis:?aws_secret_access_key=wJalr/K7&region=eu-central-1&table=demo")?;
//! assert_eq!(url.scheme, SourceScheme::Kinesis);
//! assert_eq!(url.to_string(), "kinesis:?aws_secret_access_key=***&region=eu-central-1&table=demo");
//!
//! let mut options = url.options.clone();
//! assert_eq!(options.require(&TABLE)?, "demo");
//! assert_eq!(options.take(&REGION)?.as_deref(), Some("eu-central-1"));
//! assert_eq!(options.take_secret(&SECRET)?.map(|it| it.expose().len()), Some(8));
//! options.finish(&[&TABLE, &REGION, &SECRET])?;
//!
//! let error = SourceUrl::parse("kinesis:?table=demo#1").unwrap_err();
//! assert_eq!(error.hint().as_deref(), Some("write `#` as `%23`"));
//! # Ok(())
//! # }
//! ```

mod source;
mod stream;
mod target;

mod options;
mod secret;

pub mod duration;
pub mod time;

mod error;
mod grammar;
mod host;
mod nearest;

pub use error::UrlError;
pub use host::{Host, HostPort};
pub use options::{OptionError, OptionSpec, Options};
pub use secret::Secret;
pub use source::{FILE, SourceScheme, SourceUrl};
pub use stream::{StreamError, StreamRef};
pub use target::{TargetScheme, TargetUrl};

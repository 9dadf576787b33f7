//! What Feishu's documentation leaves open, as switches.
//!
//! Each default is what the official SDKs' behaviour makes most likely. None of them is a documented fact: a receiver
//! that must be sure tests against both sides.

use serde::{Deserialize, Serialize};

/// One switch for each thing that is not documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Assumptions {
    /// Whether webhooks carry the three signature headers when the app has no Encrypt Key.
    pub sign_without_key: bool,
    /// The unit of the signature's timestamp header.
    pub timestamp_unit: TimestampUnit,
    /// What a retry's delay counts from.
    pub retry_from: RetryFrom,
    /// Whether a retry repeats the bytes of the first push.
    pub retry_body: RetryBody,
    /// Which connection a retry goes to.
    pub retry_connection: RetryConnection,
    /// Whether a retry keeps its message id on persistent connections.
    pub retry_message_id: RetryMessageId,
    /// What an ack with another code than 200 means.
    pub ack_not_ok: AckNotOk,
    /// What an ack without `biz_rt` means.
    pub ack_without_biz_rt: AckWithoutBizRt,
    /// Seconds without a ping, an ack or a pong after which a connection counts as dead; 0 means never.
    pub idle_timeout_seconds: u32,
    /// The close code when the platform ends a connection.
    pub close_code: u16,
    /// Seconds for which a connection URL may be used.
    pub ticket_ttl_seconds: u32,
    /// Payloads above this many bytes are split into fragments of this size.
    pub fragment_bytes: usize,
    /// The HTTP status of errors of the open API.
    pub open_api_error_status: ErrorStatus,
    /// The `msg` of a successful endpoint answer.
    pub endpoint_success_msg: String,
    /// What stands where a field was withheld.
    pub withheld_field: WithheldField,
    /// Whether types that no official page confirms may be subscribed and published.
    pub unverified_types: UnverifiedTypes,
}

impl Default for Assumptions {
    fn default() -> Self {
        Self {
            sign_without_key: true,
            timestamp_unit: TimestampUnit::default(),
            retry_from: RetryFrom::default(),
            retry_body: RetryBody::default(),
            retry_connection: RetryConnection::default(),
            retry_message_id: RetryMessageId::default(),
            ack_not_ok: AckNotOk::default(),
            ack_without_biz_rt: AckWithoutBizRt::default(),
            // Three pings of the default interval, and half a minute for a slow network.
            idle_timeout_seconds: 3 * 120 + 30,
            close_code: 1001,
            ticket_ttl_seconds: 60,
            fragment_bytes: larkspur_wire::FRAGMENT_BYTES_MAX,
            open_api_error_status: ErrorStatus::default(),
            endpoint_success_msg: "success".to_owned(),
            withheld_field: WithheldField::default(),
            unverified_types: UnverifiedTypes::default(),
        }
    }
}

/// Defines a switch with two or three positions, the first of which is the default.
macro_rules! switch {
    ($(#[$doc:meta])* $name:ident { $(#[$first_doc:meta])* $first:ident, $($(#[$other_doc:meta])* $other:ident),+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $(#[$first_doc])*
            #[default]
            $first,
            $($(#[$other_doc])* $other),+
        }
    };
}

switch! {
    /// The unit of the signature's timestamp header.
    TimestampUnit {
        /// Unix seconds, 10 digits.
        Seconds,
        /// Unix milliseconds, 13 digits.
        Milliseconds
    }
}

switch! {
    /// What a retry's delay counts from.
    RetryFrom {
        /// From the end of the attempt before.
        Previous,
        /// From the first attempt.
        First
    }
}

switch! {
    /// Whether a retry repeats the bytes of the first push.
    RetryBody {
        /// New initialisation vector, nonce, timestamp and signature.
        Fresh,
        /// The same bytes and headers each time.
        Identical
    }
}

switch! {
    /// Which connection a retry goes to.
    RetryConnection {
        /// Any live one.
        Random,
        /// The one that failed, while it lives.
        Same
    }
}

switch! {
    /// Whether a retry keeps its message id on persistent connections.
    RetryMessageId {
        /// Each attempt is a new message.
        New,
        /// All attempts of a delivery share one message id.
        Keep
    }
}

switch! {
    /// What an ack with another code than 200 means.
    AckNotOk {
        /// The push failed and goes again.
        Retry,
        /// The app has it.
        Accept
    }
}

switch! {
    /// What an ack without `biz_rt` means.
    AckWithoutBizRt {
        /// The same as one that has it.
        Accept,
        /// The push failed and goes again.
        Retry
    }
}

switch! {
    /// The HTTP status of errors of the open API.
    ErrorStatus {
        /// 400, as the documentation's samples show.
        BadRequest,
        /// 200 with a code that is not zero, as older interfaces do.
        Ok
    }
}

switch! {
    /// What stands where a field was withheld.
    WithheldField {
        /// The field is missing.
        Absent,
        /// The field is `null`.
        Null,
        /// The field is empty: `""`, `[]`, `{}`, 0 or `false`.
        Empty
    }
}

switch! {
    /// Whether types that no official page confirms may be subscribed and published.
    UnverifiedTypes {
        /// They pass, with a warning.
        Accept,
        /// They are refused.
        Refuse
    }
}

//! Any request, answer or query of the endpoint is read or refused.
#![no_main]

use larkspur_wire::endpoint::{ClientConfig, ConnectionQuery, EndpointReply, EndpointRequest, connection_of};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = (EndpointRequest::parse(bytes), EndpointReply::parse(bytes));
    let mut config = ClientConfig::default();
    config.update(bytes);
    assert!(config.ping_interval > 0 && config.reconnect_interval > 0);
    let text = String::from_utf8_lossy(bytes);
    let _ = (ConnectionQuery::parse(&text), connection_of(&text));
});

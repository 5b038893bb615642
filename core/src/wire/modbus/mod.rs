//! Modbus/TCP: framing, strict decoding of requests, matching of replies.

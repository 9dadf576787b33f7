//! A frame that is read is written back to the same frame, and answers every question about itself.
#![no_main]

use larkspur_wire::frame::Frame;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(frame) = Frame::read(bytes.to_vec().into()) {
        let _ = (frame.kind(), frame.part(), frame.biz_rt_ms());
        assert_eq!(Frame::read(frame.write()), Ok(frame));
    }
});

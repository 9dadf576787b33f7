//! Whether text is a JSON object without blanks, as the platform writes payloads: for this alone, a parser takes half
//! as long again. What it is unsure of it denies, such as numbers with a fraction; a parser has to look there.

/// Objects and lists within each other, one bit each.
const DEPTH_MAX: u32 = u64::BITS;

/// Bytes that are looked at together.
const WORD_BYTES: usize = size_of::<u64>();

/// Whether all of the text is one object.
pub(super) fn is_object(text: &str) -> bool {
    let mut json = Json {
        rest: text.as_bytes(),
        objects: 0,
        depth: 0,
    };
    text.starts_with('{') && json.value().is_some() && json.rest.is_empty()
}

struct Json<'a> {
    rest: &'a [u8],
    /// What is open, the innermost in the lowest bit: an object, else a list.
    objects: u64,
    depth: u32,
}

impl Json<'_> {
    /// Passes over a value.
    fn value(&mut self) -> Option<()> {
        loop {
            match self.next()? {
                b'"' => self.text()?,
                b'{' if self.take(b'}') => {}
                b'[' if self.take(b']') => {}
                b'{' => {
                    self.open(1)?;
                    self.name()?;
                    continue;
                }
                b'[' => {
                    self.open(0)?;
                    continue;
                }
                b't' => self.word(b"rue")?,
                b'f' => self.word(b"alse")?,
                b'n' => self.word(b"ull")?,
                b'-' => self.digits()?,
                digit => self.more_digits(digit)?,
            }
            if !self.has_more()? {
                return Some(());
            }
        }
    }

    /// Closes what ends here; answers whether another value follows.
    fn has_more(&mut self) -> Option<bool> {
        while self.depth > 0 {
            let is_object = self.objects & 1 == 1;
            match self.next()? {
                b',' if is_object => return self.name().map(|()| true),
                b',' => return Some(true),
                b'}' if is_object => {}
                b']' if !is_object => {}
                _ => return None,
            }
            self.objects >>= 1;
            self.depth -= 1;
        }
        Some(false)
    }

    fn open(&mut self, kind: u64) -> Option<()> {
        self.objects = self.objects << 1 | kind;
        self.depth += 1;
        (self.depth <= DEPTH_MAX).then_some(())
    }

    /// A member's name and the colon after it.
    fn name(&mut self) -> Option<()> {
        self.word(b"\"")?;
        self.text()?;
        self.word(b":")
    }

    /// What follows a quotation mark, with the one that ends it.
    fn text(&mut self) -> Option<()> {
        loop {
            self.plain();
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => match self.next()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        let (hex, rest) = self.rest.split_first_chunk::<4>()?;
                        self.rest = hex.iter().all(u8::is_ascii_hexdigit).then_some(rest)?;
                    }
                    _ => return None,
                },
                0..0x20 => return None,
                _ => {}
            }
        }
    }

    /// Passes over bytes that mean themselves within text, a word of them at a time.
    fn plain(&mut self) {
        while let Some((word, rest)) = self.rest.split_first_chunk::<WORD_BYTES>() {
            let special = special(u64::from_le_bytes(*word));
            if special != 0 {
                self.rest = &self.rest[special.trailing_zeros() as usize / 8..];
                return;
            }
            self.rest = rest;
        }
    }

    fn digits(&mut self) -> Option<()> {
        let first = self.next()?;
        self.more_digits(first)
    }

    fn more_digits(&mut self, first: u8) -> Option<()> {
        let more = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let is_number = first.is_ascii_digit() && (first != b'0' || more == 0);
        self.rest = &self.rest[more..];
        // A fraction or an exponent is met next, and denied.
        is_number.then_some(())
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn take(&mut self, byte: u8) -> bool {
        let rest = self.rest.strip_prefix(&[byte]);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(word)?;
        Some(())
    }
}

/// The highest bit of the first byte that is a quotation mark, a backslash or a control character; bits after it say
/// nothing.
fn special(word: u64) -> u64 {
    const fn each(byte: u8) -> u64 {
        u64::from_le_bytes([byte; WORD_BYTES])
    }
    // Subtracting borrows where a byte is below the other, and bytes outside ASCII are below none.
    let below = |word: u64, byte: u8| word.wrapping_sub(each(byte)) & !word;
    let special = below(word, b' ') | below(word ^ each(b'"'), 1) | below(word ^ each(b'\\'), 1);
    special & each(0x80)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;
    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn what_the_platform_writes_is_an_object() {
        for json in [
            "{}",
            r#"{"a":{"b":[],"c":[1,-20,0,"\u00e9\n\"",true,false,null]},"":"高"}"#,
            r#"{"a":[[{"b":{}}],{}]}"#,
        ] {
            assert!(is_object(json), "{json}");
        }
    }

    #[test]
    fn what_is_no_json_is_no_object() {
        for json in [
            "",
            "{",
            "}",
            "{}}",
            "{},{}",
            "[]",
            "1",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\":01}",
            "{\"a\":-}",
            "{\"a\":[1}",
            "{\"a\":[1,]}",
            "{\"a\":tru}",
            "{\"a\":\"\n\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12g4\"}",
            "{\"a\":\"b}",
            "{\"a\":1}{",
            "{\"a\":[}]",
        ] {
            assert!(!is_object(json), "{json}");
        }
    }

    #[test]
    fn it_ends_where_its_room_ends() {
        let nested = |depth| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(is_object(&nested(60)) && !is_object(&nested(70)));
    }

    fn json() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        scalar.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..5).prop_map(Value::from_iter),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_it_takes_a_parser_takes(json in json(), at: prop::sample::Index, byte in "[\\x00-\\x7f]") {
            let mut text = serde_json::json!({ "a": json }).to_string();
            let at = (at.index(text.len())..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or_default();
            prop_assert!(is_object(&text) || text.contains(['.', 'e']), "{}", text);
            text.insert_str(at, &byte);
            if is_object(&text) {
                prop_assert!(serde_json::from_str::<&RawValue>(&text).is_ok(), "{}", text);
            }
        }
    }
}

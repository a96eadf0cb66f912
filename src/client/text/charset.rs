//! Charsets by encoding_rs. Twin of `utf8.rs`.

use encoding_rs::{CoderResult, Encoding, UTF_8};

#[derive(Clone, Copy, Debug)]
pub(super) struct Charset(&'static Encoding);

/// Decodes text as it comes: a character may be cut by the end of a chunk.
pub(crate) struct TextDecoder(encoding_rs::Decoder);

impl Charset {
    pub(super) const UTF_8: Self = Self(UTF_8);

    /// Labels of charsets that the Encoding Standard knows only to refuse them, like UTF-7, are not known.
    pub(super) fn by_label(label: &str) -> Option<Self> {
        Encoding::for_label_no_replacement(label.as_bytes()).map(Self)
    }

    pub(super) fn name(self) -> &'static str {
        self.0.name()
    }

    /// The text, and whether anything in it was replaced.
    pub(super) fn decode(self, bytes: &[u8]) -> (String, bool) {
        let (text, _, is_replaced) = self.0.decode(bytes);
        (text.into_owned(), is_replaced)
    }

    pub(super) fn decoder(self) -> TextDecoder {
        TextDecoder(self.0.new_decoder())
    }
}

impl TextDecoder {
    /// Appends the text of a chunk, as far as that is known without the next; the last one may be empty.
    pub(crate) fn push(&mut self, mut bytes: &[u8], is_last: bool, text: &mut String) {
        loop {
            // More than enough for a chunk that is not huge, so that there is one round.
            text.reserve(self.0.max_utf8_buffer_length(bytes.len()).unwrap_or(bytes.len()) + 4);
            let (result, read, _) = self.0.decode_to_string(bytes, text, is_last);
            bytes = &bytes[read..];
            if result == CoderResult::InputEmpty {
                return;
            }
        }
    }
}

impl std::fmt::Debug for TextDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TextDecoder({})", self.0.encoding().name())
    }
}

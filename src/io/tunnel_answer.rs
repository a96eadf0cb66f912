//! The answer to `CONNECT` as it comes in: any 2xx opens a tunnel (RFC 9110 §9.3.6), but hyper takes a 204 for a message.

/// How far an answer has come, up to the status that counts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TunnelAnswer {
    /// So many bytes of the status line, none of which is of interest.
    Version(usize),
    /// So many digits of a 204.
    Status(usize),
    /// In a head of 1xx, behind so many ends of lines with nothing in between; another head follows.
    Informational(usize),
    Known,
}

/// `HTTP/1.1 `, in bytes.
const VERSION: usize = 9;

const NO_CONTENT: [u8; 3] = *b"204";

impl TunnelAnswer {
    pub(super) fn new() -> Self {
        Self::Version(0)
    }

    /// Looks at what has come, and makes a 200 of a 204. True as long as the status that counts is not known.
    pub(super) fn watch(&mut self, bytes: &mut [u8]) -> bool {
        for byte in bytes {
            *self = match *self {
                // Empty lines before it are passed over by hyper, too (RFC 9112 §2.2).
                Self::Version(0) if matches!(*byte, b'\r' | b'\n') => Self::Version(0),
                Self::Version(read) if read + 1 < VERSION => Self::Version(read + 1),
                Self::Version(_) => Self::Status(0),
                Self::Status(0) if *byte == b'1' => Self::Informational(0),
                Self::Status(2) if *byte == NO_CONTENT[2] => {
                    *byte = b'0';
                    Self::Known
                }
                Self::Status(read) if read < 2 && *byte == NO_CONTENT[read] => {
                    Self::Status(read + 1)
                }
                Self::Informational(1) if *byte == b'\n' => Self::Version(0),
                Self::Informational(_) if *byte == b'\n' => Self::Informational(1),
                Self::Informational(ends) if *byte == b'\r' => Self::Informational(ends),
                Self::Informational(_) => Self::Informational(0),
                Self::Status(_) | Self::Known => return self.ends(),
            };
        }
        *self != Self::Known
    }

    fn ends(&mut self) -> bool {
        *self = Self::Known;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of an answer that comes in pieces of so many bytes.
    fn read(answer: &str, piece: usize) -> String {
        let mut bytes = answer.as_bytes().to_vec();
        let mut watching = TunnelAnswer::new();
        for piece in bytes.chunks_mut(piece) {
            if !watching.watch(piece) {
                break;
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_204_becomes_a_200_and_nothing_else_is_touched() {
        let table = [
            ("HTTP/1.1 204 No Content\r\n\r\n204", "HTTP/1.1 200 No Content\r\n\r\n204"),
            ("HTTP/1.0 204\n\n", "HTTP/1.0 200\n\n"),
            (
                "HTTP/1.1 103 Hints\r\nA: 204\r\n\r\nHTTP/1.1 204 \r\n\r\n",
                "HTTP/1.1 103 Hints\r\nA: 204\r\n\r\nHTTP/1.1 200 \r\n\r\n",
            ),
            ("HTTP/1.1 100\n\nHTTP/1.1 204\n\n", "HTTP/1.1 100\n\nHTTP/1.1 200\n\n"),
            ("\r\n\nHTTP/1.1 204\r\n\r\n", "\r\n\nHTTP/1.1 200\r\n\r\n"),
        ];
        let untouched = [
            "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 205 OK\r\nA: 204\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\n\r\n",
            "\r\nHTTP/1.1 200 OK\r\n\r\n.........204",
            "HTTP/1.1 24",
            "",
        ];
        for (answer, expected) in table.into_iter().chain(untouched.map(|text| (text, text))) {
            for piece in 1..=answer.len().max(1) {
                assert_eq!(read(answer, piece), expected, "in pieces of {piece}");
            }
        }
    }
}

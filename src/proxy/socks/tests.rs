//! Has handshakes over bytes that are cut in every way.

use super::*;

/// How a handshake ends with one reply, cut in any way.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Split<R> {
    /// After so many bytes.
    Done(usize),
    Refused(R),
    /// It has read so many bytes, which are all, and wants more.
    Waiting(usize),
}

/// Has the handshake over the answer in one piece, byte by byte, and cut into two and three at every place; and gives the
/// one outcome.
pub(in crate::proxy) fn every_split<E>(start: impl Fn() -> E, answer: &[u8]) -> Split<E::Refusal>
where
    E: SocksHandshake<Refusal: PartialEq>,
{
    let (expected, _) = over(start(), answer, |_| false);
    assert_eq!(over(start(), answer, |_| true).0, expected, "byte by byte: {answer:?}");
    for first in 0..=answer.len() {
        for second in first..=answer.len() {
            let (outcome, _) = over(start(), answer, |at| at == first || at == second);
            assert_eq!(outcome, expected, "cut at {first} and {second}: {answer:?}");
        }
    }
    expected
}

/// What was said, message by message, to a proxy that answers so and is content.
pub(in crate::proxy) fn conversation<E>(handshake: E, answer: &[u8]) -> Vec<Vec<u8>>
where
    E: SocksHandshake<Refusal: PartialEq>,
{
    let (outcome, said) = over(handshake, answer, |_| false);
    assert_eq!(outcome, Split::Done(answer.len()));
    said
}

/// The outcome, and what was said. No piece that is read goes over a cut.
fn over<E: SocksHandshake>(
    mut handshake: E,
    answer: &[u8],
    is_cut: impl Fn(usize) -> bool,
) -> (Split<E::Refusal>, Vec<Vec<u8>>) {
    let (mut read, mut said) = (0, Vec::new());
    loop {
        let most = match handshake.step() {
            HandshakeStep::Write(message) => {
                said.push(message);
                continue;
            }
            HandshakeStep::Read(most) => most,
            HandshakeStep::Done => return (Split::Done(read), said),
        };
        assert!((1..=MAX_REPLY).contains(&most), "{most} bytes to be read");
        let end = answer.len().min(read + most);
        if end == read {
            return (Split::Waiting(read), said);
        }
        let end = (read + 1..end).find(|at| is_cut(*at)).unwrap_or(end);
        if let Err(refusal) = handshake.read(&answer[read..end]) {
            return (Split::Refused(refusal), said);
        }
        read = end;
    }
}

//! How both engines handle responses.

use super::*;

/// Error texts of cases where ours is stricter; the docs of `http1` list them.
const STRICTER: [&str; 4] = [
    "it has both Content-Length and Transfer-Encoding",
    "it has a transfer coding other than chunked",
    "the server switched protocols without being asked",
    // Only a bare LF in trailers.
    "its chunks are malformed",
];

/// The reason for an allowed difference. `None` is a fault.
fn reason(said: &Said, ours: &Verdict, hypers: &Verdict) -> Option<&'static str> {
    let strict = |why: &str| STRICTER.into_iter().find(|strict| why.contains(strict));
    match (ours, hypers) {
        (Verdict::Refused(_), Verdict::Refused(_)) | (Verdict::Waits, Verdict::Waits) => {
            Some("same")
        }
        // hyper does not parse before there may be an end.
        (Verdict::Refused(_), Verdict::Waits) => Some("sooner"),
        (Verdict::Refused(why), _) => strict(why),
        (Verdict::Answer(ours), Verdict::Answer(hypers)) => {
            let same_head = ours.informational == hypers.informational
                && (ours.status, ours.version) == (hypers.status, hypers.version)
                && (&ours.reason, &ours.fields) == (&hypers.reason, &hypers.fields);
            if !same_head {
                return None;
            }
            match (&ours.end, &hypers.end) {
                (End::Cut(why), End::Buffered | End::Waits) => return strict(why),
                (End::Cut(_), End::Cut(_)) => {}
                (ours, hypers) if ours == hypers => {}
                _ => return None,
            }
            let same_body = (&ours.body, &ours.trailers) == (&hypers.body, &hypers.trailers);
            let is_refused_tunnel = said.asking == Asking::Connect && ours.status != 407;
            match ours.is_reusable == hypers.is_reusable {
                _ if !same_body => None,
                true => Some("same"),
                // Nobody asks again over the connection of a tunnel that was refused for good.
                false => (is_refused_tunnel && !ours.is_reusable).then_some("refused tunnel"),
            }
        }
        _ => None,
    }
}

fn compare(said: &Said) -> Result<&'static str, String> {
    let (ours, hypers) = (ours(said), hypers(said));
    reason(said, &ours, &hypers)
        .ok_or_else(|| format!("{said:?}\nours:   {ours:?}\nhyper:  {hypers:?}"))
}

fn one_of(choices: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    proptest::sample::select(choices)
}

fn field() -> impl Strategy<Value = &'static str> {
    const USUAL: &[&str] = &[
        "Content-Length: 5",
        "Content-Length: 0",
        "Transfer-Encoding: chunked",
        "Server: x",
        "Connection: close",
        "Connection: keep-alive",
        "Keep-Alive: timeout=5",
        "X: y",
    ];
    const UNUSUAL: &[&str] = &[
        "Content-Length: 5, 5",
        "Content-Length: 5,6",
        "Content-Length: +5",
        "Content-Length: -1",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length:",
        "Content-Length: 05",
        "Content-Length: 18446744073709551615",
        "Content-Length: 18446744073709551616",
        "Content-Length: 18446744073709551613",
        "Content-Length:\t5 ",
        "Content-Length:\r\n 5",
        "Content-Length: 5,",
        "Content-Length: ,5",
        "Content-Length: 1\r\n 0",
        "Transfer-Encoding: Chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding:",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked ;q=1",
        "Transfer-Encoding: \"chunked\"",
        "transfer-encoding: chunked",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding : chunked",
        "Transfer_Encoding: chunked",
        "Content-Length : 5",
        "Connection: Close",
        "Connection: x, close",
        "Connection: close, keep-alive",
        "Connection: clos",
        "Connection: upgrade",
        "Upgrade: other",
        "Connection:\r\n close",
        "Connection: keep-alive, Upgrade",
        "X: a\r\n b",
        "X: a\r\n\t\r\n b",
        "X:\r\n",
        "X: \r\n ",
        "X: a\rb",
        "X: a\0b",
        "X: a\u{7f}b",
        "X: \u{e9}",
        "X",
        ": y",
        " X: y",
        "X y: z",
        "X\t: y",
        "Trailer: X",
        "X: y\r",
        "Date: a",
        "X: z",
        "X:y",
        "X: y \t",
        "Set-Cookie: a",
        "Set-Cookie: b",
        "(: y",
        "X: \u{1}",
    ];
    prop_oneof![6 => one_of(USUAL), 2 => one_of(UNUSUAL)]
}

fn status_line() -> impl Strategy<Value = String> {
    let version = prop_oneof![
        12 => Just("HTTP/1.1"), 3 => Just("HTTP/1.0"),
        1 => one_of(&["HTTP/2.0", "HTTP/1.2", "http/1.1", "HTTP/1", "HTTP/1.10", " HTTP/1.1", "\r\nHTTP/1.1", "\nHTTP/1.1", "ICY", ""]),
    ];
    let status = prop_oneof![
        10 => Just("200 OK"),
        6 => one_of(&["204 No Content", "304 Not Modified", "101 Switching Protocols", "404 Not Found", "407 Proxy",
            "205 Reset", "206 x", "500 ", "599", "200  OK", "200 \u{e9}", "200 Fine", "426 x"]),
        1 => one_of(&["099 x", "999 x", "600 x", "20 x", "2000 x", "abc", "", "200\tOK", "200 O\tK", "200 a\0", "200 a\r", "000 x"]),
    ];
    (version, status).prop_map(|(version, status)| format!("{version} {status}"))
}

fn line_end() -> impl Strategy<Value = &'static str> {
    prop_oneof![30 => Just("\r\n"), 1 => Just("\n"), 1 => one_of(&["\r", "\r\r\n", "\n\r", " \r\n", "\0\r\n"])]
}

fn head() -> impl Strategy<Value = String> {
    let fields = proptest::collection::vec((field(), line_end()), 0..5);
    (status_line(), line_end(), fields, line_end()).prop_map(|(line, end, fields, last)| {
        let fields: String = fields.into_iter().flat_map(|(field, end)| [field, end]).collect();
        format!("{line}{end}{fields}{last}")
    })
}

fn informational() -> impl Strategy<Value = &'static str> {
    one_of(&[
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n",
        "HTTP/1.1 199 x\r\n\r\n",
        "HTTP/1.1 102 x\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.0 100 x\r\n\r\n",
        "HTTP/1.1 100 \n\n",
        "HTTP/1.1 103 x\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 100 x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 102 x\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 102 x\r\nTransfer-Encoding: gzip\r\n\r\n",
    ])
}

fn chunked() -> impl Strategy<Value = String> {
    let size = prop_oneof![
        10 => Just("5\r\nhello\r\n"),
        6 => one_of(&["1\r\nx\r\n", "05\r\nhello\r\n", "5;a=b\r\nhello\r\n", "5 \r\nhello\r\n", "a\r\n0123456789\r\n", "A\r\n0123456789\r\n"]),
        2 => one_of(&["5\nhello\r\n", "5\r\nhello\n", "5\r\nhelloo\r\n", "5\r\nhell\r\n", "x\r\nhello\r\n", "0x5\r\nhello\r\n",
            "+5\r\nhello\r\n", " 5\r\nhello\r\n", "\r\n", "5;a\nb\r\nhello\r\n", "5;a\rb\r\nhello\r\n", "5; a=\"\r\n\"\r\nhello\r\n",
            "ffffffffffffffff\r\n", "10000000000000000\r\n", "5 x\r\nhello\r\n", "5\t;x\r\nhello\r\n", "5;\r\nhello\r\n",
            "5\r\nhello\r\r\n", "5\r\rhello\r\n", ";\r\n", "5;\0\r\nhello\r\n", "-1\r\n", "7fffffffffffffff\r\n", "5 ;a\r\nhello\r\n"]),
    ];
    let last = prop_oneof![
        10 => Just("0\r\n\r\n"),
        6 => one_of(&["0\r\nX: y\r\n\r\n", "00\r\n\r\n", "0;x\r\n\r\n", "0\r\nX: y\r\nZ: a\r\n\r\n", "", "0\r\n", "0\r\nContent-Length: 5\r\n\r\n"]),
        2 => one_of(&["0\n\n", "0\r\n\n", "0\n\r\n", "0\r\nX: y\n\r\n", "0\r\nX: y\r\n\n", "0\r\nX\r\n\r\n", "0\r\n X: y\r\n\r\n", "0\r\nX: y\r\n z\r\n\r\n",
            "0\r\nX : y\r\n\r\n", "0\r\nX: \0\r\n\r\n", "0\r\nX: a\rb\r\n\r\n", "0\r\n\r", "0\r\n\rx", "0 \r\n\r\n", "0\r\n: y\r\n\r\n", "0\r\nX:\r\n\r\n"]),
    ];
    (proptest::collection::vec(size, 0..4), last).prop_map(|(sizes, last)| sizes.concat() + last)
}

fn body() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just("hello".to_owned()),
        6 => chunked(),
        2 => one_of(&["", "hell", "hello world", "hello\r\n", "helloHTTP/1.1 200 OK\r\n\r\n", "\r\n", "\0"]).prop_map(str::to_owned),
    ]
}

/// A random change of some bytes.
type Change = (prop::sample::Index, u8, u8);

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let bytes = b"\r\n\0\t :;,0159afAFx\x80\xff\x7f\"";
    let byte = prop_oneof![3 => proptest::sample::select(&bytes[..]), 1 => any::<u8>()];
    prop_oneof![
        3 => Just(Vec::new()),
        1 => proptest::collection::vec((any::<prop::sample::Index>(), 0..5u8, byte), 1..4),
    ]
}

fn change(bytes: &mut Vec<u8>, (at, what, byte): Change) {
    if bytes.is_empty() {
        return;
    }
    let at = at.index(bytes.len());
    match what {
        0 => bytes[at] = byte,
        1 => bytes.insert(at, byte),
        2 => drop(bytes.remove(at)),
        3 => bytes.truncate(at),
        _ => {
            let piece = bytes[at..(at + 8).min(bytes.len())].to_vec();
            bytes.splice(at..at, piece);
        }
    }
}

fn said() -> impl Strategy<Value = Said> {
    let asking = prop_oneof![
        6 => Just(Asking::Get), 1 => Just(Asking::Head), 1 => Just(Asking::Post), 1 => Just(Asking::Connect), 1 => Just(Asking::Upgrade),
    ];
    let before =
        prop_oneof![4 => Just(Vec::new()), 1 => proptest::collection::vec(informational(), 1..3)];
    let cuts = proptest::collection::vec(any::<usize>(), 0..4);
    (asking, before, head(), body(), changes(), cuts, any::<bool>()).prop_map(
        |(asking, before, head, body, changes, cuts, ends)| {
            let mut bytes = latin1(&(before.concat() + &head + &body));
            changes.into_iter().for_each(|one| change(&mut bytes, one));
            Said { asking, bytes, cuts, ends }
        },
    )
}

/// Generates bytes above 127.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|char| u8::try_from(u32::from(char)).unwrap_or(b'?')).collect()
}

#[test]
fn every_cut_of_an_answer_has_the_same_verdict() {
    let answers = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\nConnection: keep-alive\nContent-Length: 5\n\nhello",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
        "HTTP/1.1 204 No Content\r\n\r\nsurplus",
        "HTTP/1.1 101 Switching\r\nUpgrade: other\r\n\r\nother",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloo\r\n0\r\n\r\n",
    ];
    for (answer, asking) in answers.iter().flat_map(|it| Asking::ALL.map(|asking| (it, asking))) {
        let step = if asking == Asking::Get { 1 } else { 7 };
        for (cut, ends) in
            (0..=answer.len()).step_by(step).flat_map(|cut| [(cut, true), (cut, false)])
        {
            let whole = answer.as_bytes();
            let cuts = vec![cut];
            let in_two = Said { asking, bytes: whole.to_vec(), cuts: cuts.clone(), ends };
            compare(&in_two).unwrap();
            compare(&Said { asking, bytes: whole[..cut].to_vec(), cuts, ends }).unwrap();
        }
        compare(&Said {
            asking,
            bytes: answer.as_bytes().to_vec(),
            cuts: (0..answer.len()).collect(),
            ends: true,
        })
        .unwrap();
    }
}

#[test]
fn the_corpus_of_the_fuzz_target_has_the_same_verdict() {
    crate::corpus::replay("exchange", |input| {
        Said::of_input(input).map(|said| compare(&said).unwrap());
    });
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn our_verdict_is_hypers_or_a_stricter_one(said in said()) {
        prop_assert!(compare(&said).is_ok(), "{}", compare(&said).unwrap_err());
    }

    #[test]
    fn arbitrary_bytes_have_the_same_verdict(
        bytes in proptest::collection::vec(any::<u8>(), 0..60), cut in any::<usize>(), ends in any::<bool>(),
    ) {
        let said = Said { asking: Asking::Get, bytes, cuts: vec![cut], ends };
        prop_assert!(compare(&said).is_ok(), "{}", compare(&said).unwrap_err());
    }
}

//! Pure: reads the text of a `.netrc`.
//!
//! ```text
//! machine api.example login user password "with spaces"   # a comment
//! macdef init
//! everything up to an empty line is skipped
//!
//! default login anonymous password guest
//! ```

/// The credentials of one host, or of all others.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Machine {
    /// `None` for `default`.
    pub(super) host: Option<String>,
    pub(super) login: Option<String>,
    pub(super) password: Option<String>,
}

/// Why a text is no `.netrc`. The line is counted from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    /// A quote is not closed on its line.
    OpenQuote { line: usize },
    /// The text ends where a value should be.
    NoValue { line: usize },
    /// `login` or another word of an entry comes before any.
    NoMachine { line: usize },
}

/// All entries, in their order.
pub(super) fn parse(text: &str) -> Result<Vec<Machine>, Mistake> {
    let mut words = Words { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1 };
    let mut machines: Vec<Machine> = Vec::new();
    while let Some(word) = words.keyword()? {
        let line = words.line;
        match &*word {
            "machine" => {
                machines.push(Machine { host: Some(words.value()?), ..Machine::default() })
            }
            "default" => machines.push(Machine::default()),
            "macdef" => {
                words.value()?;
                words.skip_macro();
            }
            "login" | "user" | "password" | "account" => {
                let value = words.value()?;
                let machine = machines.last_mut().ok_or(Mistake::NoMachine { line })?;
                match &*word {
                    "account" => {}
                    "password" => machine.password = Some(value),
                    _ => machine.login = Some(value),
                }
            }
            // Words of other programs.
            _ => {}
        }
    }
    Ok(machines)
}

struct Words<'a> {
    rest: &'a str,
    line: usize,
}

impl Words<'_> {
    /// The next word where one is expected that means something: comments are skipped.
    fn keyword(&mut self) -> Result<Option<String>, Mistake> {
        self.skip_spaces();
        while self.rest.starts_with('#') {
            self.skip_line();
            self.skip_spaces();
        }
        self.word()
    }

    /// The next word, whatever it is.
    fn value(&mut self) -> Result<String, Mistake> {
        self.skip_spaces();
        self.word()?.ok_or(Mistake::NoValue { line: self.line })
    }

    fn word(&mut self) -> Result<Option<String>, Mistake> {
        if let Some(rest) = self.rest.strip_prefix('"') {
            self.rest = rest;
            return self.quoted().map(Some);
        }
        let end = self.rest.find(is_space).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok((!word.is_empty()).then(|| word.to_owned()))
    }

    /// Up to the closing quote, as curl reads it: a backslash takes the next character as it is, or is a line break or a tab.
    fn quoted(&mut self) -> Result<String, Mistake> {
        let open = Mistake::OpenQuote { line: self.line };
        let (mut word, mut chars) = (String::new(), self.rest.chars());
        loop {
            match chars.next().ok_or(open)? {
                '"' => break,
                '\n' => return Err(open),
                '\\' => word.push(match chars.next().ok_or(open)? {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    '\n' => return Err(open),
                    other => other,
                }),
                other => word.push(other),
            }
        }
        self.rest = chars.as_str();
        Ok(word)
    }

    fn skip_spaces(&mut self) {
        let rest = self.rest.trim_start_matches(is_space);
        self.skip_to(rest);
    }

    fn skip_line(&mut self) {
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        self.skip_to(&self.rest[end..]);
    }

    /// Up to the first line that is empty.
    fn skip_macro(&mut self) {
        self.skip_line();
        while let Some(rest) = self.rest.strip_prefix('\n') {
            self.skip_to(rest);
            let line = self.rest.split('\n').next().unwrap_or_default();
            if line.trim_end_matches('\r').is_empty() {
                return;
            }
            self.skip_line();
        }
    }
}

impl<'a> Words<'a> {
    /// `rest` is an end of what is left.
    fn skip_to(&mut self, rest: &'a str) {
        let skipped = &self.rest[..self.rest.len() - rest.len()];
        self.line += skipped.matches('\n').count();
        self.rest = rest;
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{b}' | '\u{c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(host: Option<&str>, login: Option<&str>, password: Option<&str>) -> Machine {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Machine { host: owned(host), login: owned(login), password: owned(password) }
    }

    /// Not by `assert_eq`: machines have secrets, and no `Debug`.
    fn check(text: &str, expected: &[Machine]) {
        let read = parse(text);
        assert!(read.as_deref() == Ok(expected), "{text:?} {:?}", read.map(|read| read.len()));
    }

    #[test]
    fn an_entry_is_words_on_one_line_or_several() {
        let expected = [machine(Some("a.example"), Some("user"), Some("pass"))];
        for text in [
            "machine a.example login user password pass",
            "machine a.example login user password pass\n",
            "machine a.example\n\tlogin user\r\n\tpassword pass\r\n",
            "machine a.example\nuser user\npassword pass",
            "password".replace("password", "machine a.example password pass login user").as_str(),
            "machine a.example account x login user password pass",
            "\u{feff}machine a.example login user password pass",
            "# a comment\n#machine b login c\nmachine a.example login user password pass # more",
            "machine \"a.example\" login \"user\" password \"pass\"",
            "machine a.example port 80 login user password pass",
            "\n\n  machine   a.example  \n\n login \n user \n\n password \n pass \n\n",
        ] {
            check(text, &expected);
        }
    }

    #[test]
    fn a_line_break_in_quotes_is_written_with_a_backslash_and_n() {
        check("machine \"a\\nb\"", &[machine(Some("a\nb"), None, None)]);
        for text in ["\nmachine \"a\nb\"", "\nmachine \"a\\\nb\"", "\nmachine \"a"] {
            assert!(matches!(parse(text), Err(Mistake::OpenQuote { line: 2 })), "{text:?}");
        }
    }

    #[test]
    fn several_entries_are_read_in_their_order_and_a_default() {
        check(
            "machine a login b password c machine d login e\ndefault login f password g",
            &[
                machine(Some("a"), Some("b"), Some("c")),
                machine(Some("d"), Some("e"), None),
                machine(None, Some("f"), Some("g")),
            ],
        );
        check(
            "machine a\nmachine b login c",
            &[machine(Some("a"), None, None), machine(Some("b"), Some("c"), None)],
        );
        check("", &[]);
        check("# nothing", &[]);
    }

    #[test]
    fn quotes_and_what_looks_like_a_comment_are_part_of_a_value() {
        let password = |text: &str| {
            let read = parse(&format!("machine a login b password {text}")).unwrap();
            read.into_iter().next().unwrap().password.unwrap()
        };
        for (text, expected) in [
            ("#hash", "#hash"),
            ("a#b", "a#b"),
            ("\"with spaces\"", "with spaces"),
            ("\"#\"", "#"),
            ("\"\"", ""),
            (r#""a\"b\\c\n\r\t\x""#, "a\"b\\c\n\r\tx"),
            ("a\"b", "a\"b"),
            (r"a\b", r"a\b"),
            ("machine", "machine"),
            ("p\u{e4}ss\u{a0}w\u{f6}rd", "p\u{e4}ss\u{a0}w\u{f6}rd"),
        ] {
            assert_eq!(password(text), expected, "{text}");
        }
    }

    #[test]
    fn a_macro_is_skipped_up_to_an_empty_line() {
        let a = machine(Some("a"), Some("b"), Some("c"));
        let d = machine(Some("d"), Some("e"), None);
        check(
            "machine a login b password c\nmacdef init\ncd /x\nmachine evil login f\n\nmachine d login e",
            &[a.clone(), d.clone()],
        );
        check("macdef init\r\nmachine evil\r\n\r\nmachine d login e", std::slice::from_ref(&d));
        check("machine a macdef init\n\"open\n\nlogin b password c", std::slice::from_ref(&a));
        check("macdef init\nmachine evil login f", &[]);
        check("machine d login e macdef init", &[d]);
        check("macdef init\n\nmachine a login b password c", &[a]);
    }

    #[test]
    fn what_is_no_netrc_is_said_by_its_line() {
        for (text, mistake) in [
            ("machine", Mistake::NoValue { line: 1 }),
            ("machine a\nlogin", Mistake::NoValue { line: 2 }),
            ("machine a\n\npassword \n", Mistake::NoValue { line: 4 }),
            ("macdef", Mistake::NoValue { line: 1 }),
            ("machine a\nlogin \"b", Mistake::OpenQuote { line: 2 }),
            ("machine a login \"b\npassword \"c\"", Mistake::OpenQuote { line: 1 }),
            ("machine a login \"b\\", Mistake::OpenQuote { line: 1 }),
            ("\n\"", Mistake::OpenQuote { line: 2 }),
            ("login a", Mistake::NoMachine { line: 1 }),
            ("# x\n password b machine a", Mistake::NoMachine { line: 2 }),
        ] {
            assert_eq!(parse(text).err(), Some(mistake), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(machine |default |login |password |macdef |[a-z\"#\\\\ \n\r]){0,30}") {
            let _ = parse(&text);
        }

        #[test]
        fn what_is_written_in_quotes_is_read_again(host in "[a-z.]{1,8}", login in ".{1,8}", password in ".{0,8}") {
            let quoted = |text: &str| {
                let text = text.replace('\\', "\\\\").replace('"', "\\\"");
                format!("\"{}\"", text.replace('\n', "\\n"))
            };
            let text = format!("machine {host} login {} password {}", quoted(&login), quoted(&password));
            let expected = [machine(Some(&host), Some(&login), Some(&password))];
            proptest::prop_assert!(parse(&text).as_deref() == Ok(&expected[..]));
        }
    }
}

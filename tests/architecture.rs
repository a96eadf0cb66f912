//! Holds the street: what may name what, what only `rt` may do, and how long a file may be.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The modules in the order in which a request meets them: each uses only what stands below it.
const STREET: [&str; 29] = [
    "blocking",
    "client",
    "unpooled",
    "request",
    "transport",
    "proxy",
    "pool",
    "http",
    "tls",
    "mock",
    "connect",
    "connection",
    "connect_info",
    "upgrade",
    "request_target",
    "body",
    "timeout",
    "target",
    "auth",
    "options",
    "io",
    "events",
    "rt",
    "fields",
    "setting",
    "few",
    "cast",
    "lock",
    "error",
];

/// Where the ground begins.
const GROUND: &str = "connection";

/// What stands side by side and must not know of each other.
const APART: [(&str, &str); 3] = [("pool", "http"), ("pool", "tls"), ("http", "tls")];

/// What is only joined where the stack is wired.
const LAYERS: [&str; 3] = ["pool", "http", "tls"];

/// Where the stack is wired, and the way to a proxy, which is a stack of its own.
const WIRED: [&str; 7] = [
    "transport.rs",
    "transport",
    "unpooled.rs",
    "proxy/layer.rs",
    "proxy/stage.rs",
    "proxy/tunnel.rs",
    "proxy/tunnel",
];

/// What the pool does not know of: it keeps connections, whatever they are made of.
const NOT_IN_THE_POOL: [&str; 9] =
    ["hyper", "h2::", "rustls", "tls::", "socket", "Tcp", "Unix", "dns", "Resolve"];

/// What the layers of a client use of this crate: they stand over services of others as well.
const OF_CLIENT: [&str; 14] = [
    "client",
    "request",
    "auth",
    "options",
    "body",
    "target",
    "rt",
    "error",
    "timeout",
    // Of URLs: how they are encoded, and how they may be shown.
    "request_target",
    "events",
    "fields",
    "lock",
    // Of responses: what is known of their connections.
    "connect_info",
];

/// Where a client is wired: over a transport, unless it is over another service.
const CLIENT_WIRED: [&str; 3] =
    ["client/builder.rs", "client/builder/choices.rs", "client/whole.rs"];

/// What is used there beside.
const OF_WIRED_CLIENT: [&str; 3] = ["transport", "proxy", "tls"];

/// What only `rt` does.
const ONLY_IN_RT: [&str; 5] =
    ["tokio::spawn", "tokio::time", "Instant::now", "SystemTime::now", "std::thread"];

/// Files that decide and do nothing else.
const PURE: [&str; 32] = [
    "client/response/links.rs",
    "client/response/media_type.rs",
    "client/response/set_cookies.rs",
    "request/query/append.rs",
    "client/text/label.rs",
    "client/url/query.rs",
    "client/url/reference.rs",
    "client/multipart/content_types.rs",
    "client/multipart/encode.rs",
    "client/defaults/base_url.rs",
    "client/netrc/parse.rs",
    "client/decode/coding.rs",
    "client/decode/pipeline.rs",
    "client/cookies/cookie.rs",
    "client/cookies/date.rs",
    "client/cookies/set_cookie.rs",
    "client/cookies/state.rs",
    "client/redirect/next.rs",
    "client/resolve.rs",
    "client/retry/plan.rs",
    "client/same_origin.rs",
    "client/secrets.rs",
    "client/user_info.rs",
    "pool/state",
    "pool/state.rs",
    "pool/retry.rs",
    "connect/eyeballs.rs",
    "proxy/select.rs",
    "proxy/select/environment.rs",
    "proxy/select/pattern.rs",
    "proxy/socks4/handshake.rs",
    "proxy/socks5/handshake.rs",
];

/// A file without its tests may have so many lines, and is worth a second look above the lower figure.
const LONGEST: usize = 500;
const LONG: usize = 350;

#[test]
fn a_module_uses_only_what_stands_below_it() {
    for file in sources() {
        for used in file.uses() {
            let (here, there) = (place(&file.module), place(&used));
            assert!(there >= here, "{} uses `{used}`, which stands above it", file.name);
        }
    }
}

#[test]
fn layers_do_not_know_of_each_other() {
    for file in sources() {
        for (one, other) in APART {
            let used = file.uses();
            let apart = !(file.module == one && used.contains(other)
                || file.module == other && used.contains(one));
            assert!(apart, "{}: `{one}` and `{other}` know of each other", file.name);
        }
    }
}

#[test]
fn layers_meet_only_where_the_stack_is_wired() {
    for file in sources() {
        let met = LAYERS.iter().filter(|layer| file.uses().contains(**layer)).count();
        let wired = WIRED.iter().any(|wired| file.is_in(wired));
        assert!(met < 2 || wired, "{} names {met} layers", file.name);
    }
}

#[test]
fn the_pool_knows_nothing_of_what_its_connections_are_made_of() {
    for file in sources().filter(|file| file.module == "pool") {
        for word in NOT_IN_THE_POOL {
            assert!(!file.code.contains(word), "{} names `{word}`", file.name);
        }
    }
}

#[test]
fn the_layers_of_a_client_know_of_no_layer_below() {
    for file in sources().filter(|file| file.module == "client") {
        for used in file.uses() {
            let is_wired = CLIENT_WIRED.contains(&&*file.name);
            let may_be_used =
                OF_CLIENT.contains(&&*used) || is_wired && OF_WIRED_CLIENT.contains(&&*used);
            assert!(may_be_used, "{} uses `{used}`", file.name);
        }
    }
}

#[test]
fn what_decides_does_nothing_else() {
    for file in sources().filter(|file| PURE.iter().any(|pure| file.is_in(pure))) {
        for first in file.first_segments() {
            let pure = ["std", "http", "foldhash", "percent_encoding", "super", "crate"]
                .contains(&first.as_str())
                || file.code.contains(&format!("mod {first};"));
            assert!(pure, "{} uses `{first}`", file.name);
        }
        for used in file.uses().iter().filter(|used| **used != file.module) {
            assert!(place(used) >= place(GROUND), "{} uses `{used}`", file.name);
        }
    }
}

#[test]
fn only_the_runtime_spawns_sleeps_and_reads_the_clock() {
    for file in sources().filter(|file| file.module != "rt") {
        // The type of an error neither sleeps nor reads the clock.
        let code = file.code.replace("tokio::time::error::", "");
        for word in ONLY_IN_RT {
            assert!(!code.contains(word), "{} names `{word}`", file.name);
        }
    }
}

/// `cargo test --test architecture -- --nocapture` lists the long ones.
#[test]
fn a_file_can_be_read_in_one_sitting() {
    for file in sources() {
        let lines = file.code.lines().count() + file.comments;
        if lines > LONG {
            println!("{lines:4} {}", file.name);
        }
        assert!(lines <= LONGEST, "{} has {lines} lines without its tests", file.name);
    }
}

#[test]
fn the_first_line_of_a_file_says_what_it_is_for() {
    for file in sources() {
        assert!(file.text.starts_with("//! "), "{} begins otherwise", file.name);
    }
}

/// A file of `src`, without its tests.
struct Source {
    /// As in `pool/state.rs`.
    name: String,
    /// As in `pool`.
    module: String,
    text: String,
    /// The lines that are no comments.
    code: String,
    comments: usize,
}

impl Source {
    fn read(root: &Path, path: &Path) -> Self {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let module = name.split(['/', '.']).next().unwrap().to_owned();
        let text = fs::read_to_string(path).unwrap();
        let untested = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let (comments, code): (Vec<_>, Vec<_>) =
            untested.lines().partition(|line| line.trim_start().starts_with("//"));
        let (comments, code) = (comments.len(), code.join("\n"));
        Self { name, module, text, code, comments }
    }

    fn is_in(&self, place: &str) -> bool {
        self.name == place || self.name.starts_with(&format!("{place}/"))
    }

    /// The modules that are named after `crate::`, alone or in braces. What `lib.rs` exports is called as its module is. A
    /// public re-export is a door for users, not a use.
    fn uses(&self) -> BTreeSet<String> {
        let without_doors = self.code.replace("pub use crate::", "");
        let paths = without_doors.split("crate::").skip(1);
        paths.flat_map(names).map(|name| name.to_lowercase()).collect()
    }

    /// What the `use` lines begin with.
    fn first_segments(&self) -> BTreeSet<String> {
        let lines = self.code.lines().filter_map(|line| line.trim_start().strip_prefix("use "));
        lines.map(identifier).collect()
    }
}

/// The first names of what follows a path separator: one, or those of a list in braces.
fn names(path: &str) -> Vec<String> {
    let Some(list) = path.strip_prefix('{') else { return vec![identifier(path)] };
    let (mut depth, mut names, mut name) = (0, Vec::new(), String::new());
    for c in list.chars() {
        match c {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(std::mem::take(&mut name)),
            _ if depth == 0 && !c.is_whitespace() => name.push(c),
            _ => {}
        }
    }
    names.push(name);
    names.iter().filter(|name| !name.is_empty()).map(|name| identifier(name)).collect()
}

fn identifier(path: &str) -> String {
    path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn place(module: &str) -> usize {
    let place = STREET.iter().position(|stage| *stage == module);
    place.unwrap_or_else(|| panic!("`{module}` has no place on the street"))
}

/// All files but `lib.rs`, which lists the modules, and those for tests alone.
fn sources() -> impl Iterator<Item = Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.retain(|path| *path != root.join("lib.rs") && *path != root.join("corpus.rs"));
    paths.into_iter().map(move |path| Source::read(&root, &path))
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        match path.is_dir() {
            true => collect(&path, paths),
            false => paths.push(path),
        }
    }
    paths.sort();
}

/// What a user finds in the docs: each a room with a purpose, so that there are few.
const DOORS: [&str; 16] = [
    "auth",
    "blocking",
    "body",
    "client",
    "connect",
    "error",
    "events",
    "http",
    "mock",
    "options",
    "pool",
    "proxy",
    "rt",
    "target",
    "tls",
    "transport",
];

#[test]
fn the_public_modules_are_these() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let doors = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    assert_eq!(doors.collect::<BTreeSet<_>>(), BTreeSet::from(DOORS));
}

/// Types of HTTP/1.1 and HTTP/2 that play the same part, and so share a name.
const TWINS: [&str; 4] = ["ConnShared", "ConnState", "ConnStatus", "Sealed"];

/// Types of `blocking` that have the name of what they are the blocking form of.
const BLOCKING_TWINS: [&str; 5] = ["Body", "Client", "Lines", "StreamedResponseExt", "Transport"];

#[test]
fn no_two_types_share_a_name() {
    let mut named = BTreeMap::<String, String>::new();
    for source in sources().filter(|source| !source.is_for_a_feature_that_is_off()) {
        let is_twin = |name: &str| match source.module.as_str() {
            "blocking" => BLOCKING_TWINS.contains(&name),
            _ => TWINS.contains(&name),
        };
        for name in source.types().filter(|name| !is_twin(name)) {
            let before = named.insert(name.clone(), source.name.clone());
            assert_eq!(before, None, "`{name}` is in {} as well", source.name);
        }
    }
    assert!(named.len() > 300, "only {} types are found", named.len());
}

/// Words that stood for something that HTTP, tower or tokio has a term for.
const QUAINT: [&str; 15] = [
    "Audience",
    "Beneath",
    "Desk",
    "Fitness",
    "Ground",
    "Impatience",
    "Noted",
    "Obituary",
    "OneShot",
    "Patience",
    "Retrying",
    "Surroundings",
    "Told",
    "Trip",
    "Wish",
];

#[test]
fn quaint_names_do_not_come_back() {
    for source in sources() {
        for name in source.types() {
            assert!(!QUAINT.contains(&name.as_str()), "{} has a `{name}`", source.name);
        }
    }
}

impl Source {
    /// Half of a file pair, of which the other half is compiled with the feature.
    fn is_for_a_feature_that_is_off(&self) -> bool {
        let file = self.name.rsplit('/').next().unwrap_or_default();
        ["disabled.rs", "none.rs", "utf8.rs"].contains(&file) || file.starts_with("no_")
    }

    /// Types at the top of the file, and those in macros such as `pin_project!`.
    fn types(&self) -> impl Iterator<Item = String> {
        self.code.lines().filter_map(|line| {
            let line = line.trim_start();
            let line = match line.strip_prefix("pub") {
                Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
                Some(rest) => rest.trim_start(),
                None => line,
            };
            let (kind, rest) = line.split_once(' ')?;
            ["struct", "enum", "trait"].contains(&kind).then(|| identifier(rest))
        })
    }
}

/// The table of invariants names tests as `file.rs`: `test`.
#[test]
fn the_tests_of_the_invariants_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        every_file(&root.join(folder), &mut files);
    }
    let mut named = 0;
    for row in document.lines().filter(|line| line.starts_with("| ")) {
        for (before, test) in row.match_indices("`: `").map(|(at, it)| row.split_at(at + it.len()))
        {
            let file = before.trim_end_matches("`: `").rsplit('`').next().unwrap();
            let test = format!("fn {}", identifier(test));
            let has_test = |path: &&PathBuf| {
                path.ends_with(file) && fs::read_to_string(path).unwrap().contains(&test)
            };
            assert!(files.iter().any(|path| has_test(&path)), "{file} has no `{test}`");
            named += 1;
        }
    }
    assert!(named >= 20, "{named} tests are named");
}

/// SECURITY.md names tests as `file.rs`: `one`, `two`.
#[test]
fn the_tests_of_the_promises_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let parts: Vec<_> = document.split('`').collect();
    let (mut file, mut named) = (None, 0);
    // Text and code take turns.
    for pair in parts.windows(2).step_by(2) {
        let (text, code) = (pair[0], pair[1]);
        if code.ends_with(".rs") && code.contains('/') {
            file = Some(fs::read_to_string(root.join(code)).expect(code));
        } else if let Some(source) = file.as_ref().filter(|_| [": ", ", ", ":\n  "].contains(&text))
        {
            assert!(source.contains(&format!("fn {code}(")), "there is no test `{code}`");
            named += 1;
        } else {
            file = None;
        }
    }
    assert!(named >= 120, "{named} tests are named");
}

/// docs/httpcore.md names tests as `file.rs::one`, `two`.
#[test]
fn the_counterparts_of_tests_of_httpcore_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("docs/httpcore.md")).unwrap();
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        every_file(&root.join(folder), &mut files);
    }
    let mut named = 0;
    for row in document.lines().filter(|line| line.starts_with("| ")) {
        let mut file = "";
        for code in row.split('`').skip(1).step_by(2) {
            let test = match code.split_once(".rs::") {
                Some((_, test)) => {
                    file = code.strip_suffix(&format!("::{test}")).unwrap();
                    test
                }
                // Other code has fewer words.
                None if code.matches('_').count() > 2 && identifier(code) == code => code,
                None => continue,
            };
            // The scenarios of `tests/parity` are written by a macro.
            let forms = [format!("fn {test}("), format!("test!({test} ")];
            let has_test = |path: &&PathBuf| {
                let has = |text: String| forms.iter().any(|form| text.contains(form));
                path.ends_with(file) && has(fs::read_to_string(path).unwrap())
            };
            assert!(files.iter().any(|path| has_test(&path)), "{file} has no `{test}`");
            named += 1;
        }
    }
    assert!(named >= 80, "{named} tests are named");
}

fn every_file(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => every_file(&path, paths),
            false => paths.push(path),
        }
    }
}

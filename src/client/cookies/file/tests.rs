//! What is read and written as `cookies.txt`.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use super::*;

fn folder(name: &str) -> PathBuf {
    let folder =
        std::env::temp_dir().join(format!("tower-transport-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn sent(jar: &Jar, url: &str) -> String {
    let value = jar.header_for(&url.parse().unwrap());
    value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}

#[test]
fn a_file_of_curl_is_read() {
    let text = b"\xef\xbb\xbf# Netscape HTTP Cookie File\n\
        # https://curl.se/docs/http-cookies.html\n\
        \n\
        .example.com\tTRUE\t/\tFALSE\t99999999999\ta\t1\n\
        www.example.com\tFALSE\t/x\tTRUE\t0\tb\t2\r\n\
        #HttpOnly_.example.com\tTRUE\t/\tFALSE\t0\tc\tx=y z\n\
        example.com\tTRUE\t/\tFALSE\t\td\t4\n\
        www.example.com\tfalse\t/\tfalse\t99999999999.5\te\t\n\
        www.example.com\tFALSE\t/\tFALSE\t0\tf\n\
        www.example.com\tFALSE\t/\tFALSE\t0\t\tvalue\n\
        127.0.0.1\tFALSE\t/\tFALSE\t0\tg\t7\n\
        www.example.com\tFALSE\t/\tFALSE\t1\told\t8";
    let jar = Jar::new();
    let loaded = jar.load_text(text);
    assert_eq!(loaded, Loaded { taken: 8, expired: 1, refused: vec![] });
    assert_eq!(sent(&jar, "https://www.example.com/x"), "b=2; a=1; c=x=y z; d=4; e=; f=; value");
    assert_eq!(sent(&jar, "http://example.com/"), "a=1; c=x=y z; d=4");
    assert_eq!(sent(&jar, "http://127.0.0.1/"), "g=7");
    let flags: Vec<_> = jar.iter().map(|cookie| cookie.is_http_only()).collect();
    assert_eq!(flags, [false, false, true, false, false, false, false, false]);
}

#[test]
fn an_expired_line_leaves_the_younger_cookie_in_the_jar() {
    let jar = Jar::new();
    jar.set("http://example.com/", "session", "fresh").unwrap();
    let loaded = jar.load_text(b"example.com\tFALSE\t/\tFALSE\t1000\tsession\told\n");
    assert_eq!(loaded, Loaded { expired: 1, ..Loaded::default() });
    assert_eq!(sent(&jar, "http://example.com/"), "session=fresh");
}

#[test]
fn lines_that_are_no_cookie_are_counted_and_the_rest_is_taken() {
    let lines = [
        "example.com\tFALSE\t/\tFALSE\t0\ta\t1",
        "example.com FALSE / FALSE 0 a 1",
        "example.com\tFALSE\t/\tFALSE\t0",
        "example.com\tFALSE\t/\tFALSE\t0\ta\tb\tc",
        "example.com\tyes\t/\tFALSE\t0\ta\tb",
        "example.com\tFALSE\t/\tFALSE\tsoon\ta\tb",
        "example.com\tFALSE\tx\tFALSE\t0\ta\tb",
        ".co.uk\tTRUE\t/\tFALSE\t0\ta\tb",
        ".127.0.0.1\tTRUE\t/\tFALSE\t0\ta\tb",
        "example.com\tFALSE\t/\tFALSE\t0\t__Host-a\tb",
        "\tFALSE\t/\tFALSE\t0\ta\tb",
        "example.com\tFALSE\t/\tFALSE\t0\ta\tb;c",
        "b\u{fc}cher.example\tFALSE\t/\tFALSE\t0\ta\tb",
    ];
    let loaded = Jar::new().load_text(lines.join("\n").as_bytes());
    assert_eq!(loaded.taken, 1);
    assert_eq!(loaded.refused, (2..=lines.len()).collect::<Vec<_>>());
    assert_eq!(Jar::new().load_text(b""), Loaded::default());
}

#[test]
fn a_jar_is_the_same_after_it_was_saved_and_loaded() {
    let (folder, jar) = (folder("same"), Jar::new());
    let later = SystemTime::now() + Duration::from_secs(1000);
    let cookie = |name| Cookie::new("example.com", name, "v\u{e9}").unwrap();
    jar.insert(cookie("a").with_subdomains().with_expiry(later).secure().http_only()).unwrap();
    jar.insert(cookie("").with_path("/x")).unwrap();
    jar.insert(Cookie::new("[::1]", "b", "").unwrap()).unwrap();
    let path = folder.join("cookies.txt");
    jar.save(&path).unwrap();
    let again = Jar::new();
    assert_eq!(again.load(&path).unwrap().taken, 3);
    assert_eq!(again.iter().collect::<Vec<_>>(), jar.iter().collect::<Vec<_>>());
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("# Netscape HTTP Cookie File\n"));
    assert!(text.contains("\n#HttpOnly_.example.com\tTRUE\t/\tTRUE\t"), "{text}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_is_replaced_at_once_and_nothing_is_left_beside_it() {
    let (folder, jar) = (folder("replaced"), Jar::new());
    let path = folder.join("cookies.txt");
    fs::write(&path, "what was there before").unwrap();
    jar.set("http://example.com/", "a", "1").unwrap();
    jar.save(&path).unwrap();
    jar.save(&path).unwrap();
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    fs::create_dir(folder.join("a folder")).unwrap();
    fs::write(folder.join("a folder/file"), "").unwrap();
    let error = jar.save(folder.join("a folder")).unwrap_err();
    assert!(error.is_io(), "{error:?}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "the file beside it is removed");
    fs::remove_dir_all(folder).unwrap();
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_the_file_and_a_link_stays_a_link() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (folder, jar) = (folder("owner"), Jar::new());
    let (path, link) = (folder.join("cookies.txt"), folder.join("link"));
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    symlink(&path, &link).unwrap();
    jar.save(&link).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_that_is_not_there_is_an_error_that_names_it() {
    let error = Jar::new().load("/nonexistent/cookies.txt").unwrap_err();
    assert!(error.is_io() && error.to_string().contains("/nonexistent/cookies.txt"));
    let cause: &io::Error = error.cause().unwrap();
    assert_eq!(cause.kind(), io::ErrorKind::NotFound);
    assert!(Jar::new().save("/nonexistent/cookies.txt").unwrap_err().is_io());
}

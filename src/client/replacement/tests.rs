//! What is replaced, and what is written to itself.

use super::*;

struct Folder {
    path: PathBuf,
}

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("tower-transport-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self { path }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn len(&self) -> usize {
        fs::read_dir(&self.path).unwrap().count()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.path).unwrap();
    }
}

type Open = fn(&Path) -> io::Result<Replacement>;

const BOTH: [Open; 2] = [Replacement::with_the_mode_of, Replacement::private];

fn write(open: Open, path: &Path) -> io::Result<()> {
    let mut new = open(path)?;
    new.write_all(b"new")?;
    new.sync()?;
    new.finish()
}

#[test]
fn a_directory_is_refused_and_nothing_is_made() {
    for open in BOTH {
        let folder = Folder::new("directory");
        let error = write(open, &folder.path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        assert_eq!(folder.len(), 0);
    }
}

#[test]
fn what_is_not_finished_leaves_the_old_file_alone() {
    for open in BOTH {
        let folder = Folder::new("unfinished");
        fs::write(folder.file("a"), "old").unwrap();
        let mut new = open(&folder.file("a")).unwrap();
        new.write_all(b"new").unwrap();
        assert_eq!(folder.len(), 2);
        drop(new);
        assert_eq!((fs::read(folder.file("a")).unwrap(), folder.len()), (b"old".to_vec(), 1));
    }
}

#[cfg(unix)]
mod unix {
    use std::{
        io::Read,
        os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink},
        process::Command,
    };

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    fn write_with_mode(path: &Path, mode: u32) {
        fs::write(path, "old").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn links_stay_and_what_they_lead_to_is_replaced() {
        for open in BOTH {
            let folder = Folder::new("links");
            fs::create_dir(folder.file("in")).unwrap();
            fs::write(folder.file("in/file"), "old").unwrap();
            let links =
                [("one", "in/file"), ("two", "one"), ("three", "in/four"), ("in/four", "new")];
            for (link, target) in links {
                symlink(target, folder.file(link)).unwrap();
            }
            write(open, &folder.file("two")).unwrap();
            assert_eq!(fs::read(folder.file("in/file")).unwrap(), b"new");
            // It led to nothing.
            write(open, &folder.file("three")).unwrap();
            assert_eq!(fs::read(folder.file("in/new")).unwrap(), b"new");
            for (link, target) in links {
                assert_eq!(fs::read_link(folder.file(link)).unwrap(), Path::new(target));
            }
        }
    }

    #[test]
    fn links_that_lead_to_themselves_are_an_error() {
        for open in BOTH {
            let folder = Folder::new("loop");
            symlink("b", folder.file("a")).unwrap();
            symlink("a", folder.file("b")).unwrap();
            assert!(write(open, &folder.file("a")).is_err());
            assert_eq!(folder.len(), 2);
        }
    }

    #[test]
    fn a_file_keeps_its_mode_and_its_owner() {
        for old in [0o600, 0o640, 0o444, 0o666, 0o755] {
            let folder = Folder::new("mode");
            let path = folder.file("a");
            write_with_mode(&path, old);
            let owner = fs::metadata(&path).unwrap().uid();
            write(Replacement::with_the_mode_of, &path).unwrap();
            assert_eq!((mode(&path), fs::metadata(&path).unwrap().uid()), (old, owner), "{old:o}");
            assert_eq!(fs::read(&path).unwrap(), b"new");
        }
    }

    #[test]
    fn a_private_file_is_private_whatever_it_was() {
        let folder = Folder::new("private");
        write_with_mode(&folder.file("a"), 0o644);
        for name in ["a", "b"] {
            write(Replacement::private, &folder.file(name)).unwrap();
            assert_eq!(mode(&folder.file(name)), 0o600, "{name}");
        }
    }

    #[test]
    fn a_new_file_is_never_more_open_than_the_one_it_replaces() {
        for open in BOTH {
            let folder = Folder::new("meanwhile");
            write_with_mode(&folder.file("a"), 0o600);
            let new = open(&folder.file("a")).unwrap();
            for file in fs::read_dir(&folder.path).unwrap() {
                assert_eq!(mode(&file.unwrap().path()), 0o600);
            }
            drop(new);
        }
    }

    #[test]
    fn a_pipe_is_written_to_and_stays_one() {
        for open in BOTH {
            let folder = Folder::new("pipe");
            let (path, link) = (folder.file("pipe"), folder.file("link"));
            assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
            symlink("pipe", &link).unwrap();
            // For both, so that none of them waits.
            let mut reader = OpenOptions::new().read(true).write(true).open(&path).unwrap();
            for written in [&path, &link] {
                write(open, written).unwrap();
                let mut read = [0; 3];
                reader.read_exact(&mut read).unwrap();
                assert_eq!(read, *b"new");
            }
            assert!(fs::metadata(&path).unwrap().file_type().is_fifo());
            assert_eq!(folder.len(), 2);
        }
    }
}

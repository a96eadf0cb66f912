use std::{
    io::Write,
    path::PathBuf,
    process,
    sync::atomic::{AtomicUsize, Ordering},
};

use http_body::Body as _;

use super::*;

/// A file that is removed at the end of its test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(content: &[u8]) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("body-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn append(&self, content: &[u8]) {
        let mut file = File::options().append(true).open(&self.0).unwrap();
        file.write_all(content).unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn a_file_is_read_whole_in_pieces_and_again() {
    let content: Vec<u8> = (0..150_000u32).map(|n| n as u8).collect();
    let file = Scratch::new(&content);
    let mut body = Body::file(&file.0).await.unwrap();
    assert_eq!(body.length(), Some(150_000));
    assert_eq!(body.chunk().await.unwrap().unwrap().len(), 64 * 1024);
    assert_eq!(body.length(), Some(150_000 - 64 * 1024));
    let mut again = body.try_clone().unwrap();
    assert_eq!(again.read().await.unwrap(), content);
    assert_eq!(body.read().await.unwrap(), &content[64 * 1024..]);
    assert!(body.is_end_stream() && body.chunk().await.unwrap().is_none());
}

#[tokio::test]
async fn a_file_that_grows_is_sent_with_the_length_that_it_had() {
    let file = Scratch::new(b"before");
    let mut body = Body::file(&file.0).await.unwrap();
    file.append(b" and after");
    assert_eq!(body.read().await.unwrap(), "before");
}

#[tokio::test]
async fn a_file_that_shrinks_is_an_error_that_names_it() {
    let file = Scratch::new(b"before");
    let mut body = Body::file(&file.0).await.unwrap();
    std::fs::write(&file.0, b"be").unwrap();
    assert_eq!(body.chunk().await.unwrap().unwrap(), "be");
    let error = body.chunk().await.unwrap_err();
    assert!(error.is_body() && error.to_string().contains("reading the file"), "{error:?}");
    assert!(body.chunk().await.unwrap().is_none());
}

#[tokio::test]
async fn an_empty_file_is_an_empty_body() {
    let file = Scratch::new(b"");
    let mut body = Body::file(&file.0).await.unwrap();
    assert_eq!((body.length(), body.is_end_stream()), (Some(0), true));
    assert!(body.chunk().await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_no_file_is_an_error_before_anything_is_sent() {
    let missing = Body::file("/no/such/file").await.unwrap_err();
    assert!(missing.is_body() && missing.is_unsent());
    assert_eq!(missing.cause::<io::Error>().unwrap().kind(), io::ErrorKind::NotFound);
    assert!(Body::file(std::env::temp_dir()).await.unwrap_err().is_body());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_that_does_not_say_its_length_is_sent_to_its_end() {
    let mut body = Body::file("/proc/self/cmdline").await.unwrap();
    assert_eq!(body.length(), None);
    assert!(!body.read().await.unwrap().is_empty());
    assert!(body.try_clone().is_some());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_device_is_sent_once() {
    let mut body = Body::file("/dev/null").await.unwrap();
    assert!(body.length().is_none() && body.try_clone().is_none());
    assert!(body.chunk().await.unwrap().is_none());
}

#[test]
fn a_file_is_read_without_a_runtime() {
    let file = Scratch::new(b"content");
    let content = block_on(async {
        let mut body = Body::file(&file.0).await.unwrap();
        body.read().await.unwrap()
    });
    assert_eq!(content, "content");
}

/// Polls on this thread, which parks until it is woken.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let (mut future, mut cx) = (std::pin::pin!(future), Context::from_waker(&waker));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        std::thread::park();
    }
}

#[tokio::test]
async fn a_file_that_is_dropped_while_it_is_read_is_closed_and_can_be_removed() {
    let file = Scratch::new(&[7; 200_000]);
    let mut body = Body::file(&file.0).await.unwrap();
    let mut cx = Context::from_waker(std::task::Waker::noop());
    // Ready if the other thread was quick.
    let _ = Pin::new(&mut body).poll_frame(&mut cx);
    drop(body);
    drop(file);
}

#[cfg(feature = "blocking")]
#[test]
fn the_rest_of_an_open_file_has_a_length_and_an_empty_file_the_length_zero() {
    for (content, at, left) in
        [(&b""[..], 0, 0), (b"content", 0, 7), (b"content", 3, 4), (b"", 9, 0)]
    {
        let scratch = Scratch::new(content);
        let mut file = File::open(&scratch.0).unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        let body = Body::rest_of(file).unwrap();
        assert_eq!(body.length(), Some(left), "{content:?} from {at}");
        assert_eq!(body.is_end_stream(), left == 0);
    }
}

#[cfg(all(target_os = "linux", feature = "blocking"))]
#[tokio::test]
async fn the_rest_of_an_open_file_of_proc_is_read_whole() {
    let mut body = Body::rest_of(File::open("/proc/self/stat").unwrap()).unwrap();
    assert_eq!(body.length(), None);
    let content = body.read().await.unwrap();
    assert!(content.starts_with(process::id().to_string().as_bytes()), "{content:?}");
}

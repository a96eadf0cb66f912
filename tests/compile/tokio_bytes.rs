// says: is not a stream of bytes for a connection
// says: `hyper_util::rt::TokioIo`
use tower_transport::connect::Io;

fn takes<I: Io>(_: I) {}

fn main() {
    takes(std::io::empty());
}

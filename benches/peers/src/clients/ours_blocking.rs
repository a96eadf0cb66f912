//! tower-transport for callers that block: a thread for each request that is under way.

use tower_transport::{blocking::Transport, transport::TransportBuilder};

use super::{BlockingClient, blocking::Reader, ours::set_up};
use crate::work::{Bulk, Job, Kind, Outcome, Place, Workload};

#[derive(Clone)]
pub struct OursBlocking(Transport);

impl OursBlocking {
    pub fn new(workload: &Workload, place: &Place) -> Outcome<Self> {
        let builder: TransportBuilder<Transport> = set_up(Transport::builder(), workload, place)?;
        Ok(Self(builder.build()?))
    }
}

impl BlockingClient for OursBlocking {
    fn send(&mut self, job: &Job) -> Outcome {
        let request = self.0.stream(job.method(), &job.uri);
        let response = match job.kind {
            Kind::Get | Kind::Down => request.send()?,
            Kind::Post => request.body(&[b'x'; 1024][..]).send()?,
            Kind::Up => {
                let reader = Reader { bulk: Bulk::new(job.sends()), chunk: &[] };
                request.body_reader(reader).length(job.sends() as u64).send()?
            }
        };
        let mut length = 0;
        for chunk in response.into_body() {
            length += chunk?.len();
        }
        job.check(length)
    }
}

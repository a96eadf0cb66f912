//! Servers that may do what they do, all the time: no GET is lost, and no POST is seen twice.

use std::{collections::HashMap, sync::Arc};

use tower_transport::RequestExt;

use crate::support::{
    scene::{Scene, wait_idle},
    scripted::{
        Script,
        Step::{Answer, Finish, Head, Hold, Reset, Turn},
    },
};

const TASKS: usize = 20;

/// Numbers that look like chance and are the same every time.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Every connection answers at least one request, and then, sooner or later, ends: at once, after a while, by a reset,
/// or under the next request.
fn restless() -> Script {
    Box::new(|connection| {
        let mut dice = Dice(connection as u64);
        let mut steps = vec![Answer; 1 + dice.throw(8) as usize];
        steps.extend(vec![Turn; dice.throw(20) as usize]);
        steps.extend(match dice.throw(4) {
            0 => vec![Finish, Hold],
            1 => vec![Reset],
            2 => vec![Head, Finish, Hold],
            _ => vec![Head, Reset],
        });
        steps
    })
}

/// So many tasks send so many requests each, one after the other. How many had no answer.
async fn lost(scene: &Arc<Scene>, tasks: usize, method: &'static str, each: usize) -> usize {
    let send = |task: usize| {
        let scene = scene.clone();
        tokio::spawn(async move {
            let mut lost = 0;
            for number in 0..each {
                let url = scene.url(&format!("/{task}/{number}"));
                match scene.transport.request(method, url).await {
                    Ok(response) => assert_eq!(response.body(), "hello"),
                    Err(_) => lost += 1,
                }
            }
            lost
        })
    };
    let tasks: Vec<_> = (0..tasks).map(send).collect();
    let mut lost = 0;
    for task in tasks {
        lost += task.await.unwrap();
    }
    wait_idle(&scene.transport).await;
    lost
}

/// How often the request that was seen most often was seen.
fn most_seen(scene: &Scene) -> usize {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for head in scene.origin.heads() {
        *seen.entry(head.lines().next().unwrap_or_default().to_owned()).or_default() += 1;
    }
    seen.into_values().max().unwrap_or(0)
}

fn weather(connections: usize) -> Arc<Scene> {
    let scene = Scene::tcp_with(restless(), |builder| builder.max_connections(connections));
    Arc::new(scene)
}

#[tokio::test]
async fn no_get_is_lost_by_servers_that_end_connections() {
    for connections in [3, TASKS] {
        assert_eq!(lost(&weather(connections), TASKS, "GET", 150).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_get_is_lost_on_several_threads() {
    for connections in [3, TASKS] {
        assert_eq!(lost(&weather(connections), TASKS, "GET", 150).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_post_is_seen_twice() {
    for connections in [3, TASKS] {
        let scene = weather(connections);
        let lost = lost(&scene, TASKS, "POST", 50).await;
        assert_eq!(most_seen(&scene), 1);
        assert!(lost <= scene.origin.accepted(), "one connection loses one request at the most");
    }
}

#[cfg(feature = "http2")]
mod http2 {
    use tower_transport::transport::TransportBuilder;

    use super::*;
    use crate::support::{frames::open, scripted::Step::ServeSome};

    /// Every connection refuses a request here and there, and says goodbye after ten.
    fn leaving(connections: usize) -> Arc<Scene> {
        let script = |_| [open(), vec![ServeSome { refused: 7, answered: 10 }]].concat();
        let settings = move |builder: TransportBuilder| {
            builder.http2_prior_knowledge().max_connections(connections)
        };
        Arc::new(Scene::tcp_with(Box::new(script), settings))
    }

    /// How many of so many requests were lost; every other was answered once.
    async fn lost_to_goodbyes(connections: usize, method: &'static str, each: usize) -> usize {
        let scene = leaving(connections);
        let lost = lost(&scene, TASKS, method, each).await;
        assert_eq!(scene.origin.answered() + lost, TASKS * each);
        lost
    }

    #[tokio::test]
    async fn nothing_is_lost_or_answered_twice_by_servers_that_say_goodbye() {
        for method in ["GET", "POST"] {
            assert_eq!(lost_to_goodbyes(1, method, 150).await, 0);
            assert_eq!(lost_to_goodbyes(TASKS, method, 20).await, 0);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_is_answered_twice_and_hardly_anything_lost_on_several_threads() {
        for method in ["GET", "POST"] {
            // A thread may be so quick that another's request is refused as often as it is tried.
            let lost = lost_to_goodbyes(TASKS, method, 50).await;
            assert!(lost <= TASKS * 50 / 100, "{lost}");
        }
    }
}

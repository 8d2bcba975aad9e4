//! Many clients, all of whom want what no server has looked at yet.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::publisher::Owner;
use crate::scene::{POOL, Scene};
use crate::storm::Form;

const CLIENTS: usize = 64;
const GLANCE: Duration = Duration::from_millis(50);

/// They get what they ask for, no server ends, and the database has no more sessions than the servers may have.
pub(crate) fn crowd(mut scene: Scene, form: &Form) {
    let first = scene.replicas[0].client().unwrap();
    let owners: Vec<Owner> = (0..form.repositories)
        .map(|at| Owner::begin(&format!("registry.example.com/cold/{at:03}"), &first))
        .collect();
    for server in &mut scene.replicas {
        server.crash_and_restart().unwrap();
    }
    let (watch, clients) = (scene.watch().unwrap(), scene.clients());
    let (owners, clients) = (&owners[..], &clients[..]);
    let (over, asked, begun) = (
        &AtomicBool::new(false),
        &AtomicUsize::new(0),
        Instant::now(),
    );
    let most = thread::scope(|scope| {
        let crowd: Vec<_> = (0..CLIENTS)
            .map(|person| {
                scope.spawn(move || {
                    let mut faults = Vec::new();
                    for turn in 0.. {
                        if over.load(Ordering::Relaxed) || faults.len() > 2 {
                            break;
                        }
                        // Each by a way of its own, and all of them begin at the same one.
                        let owner = &owners[(turn * (2 * person + 1)) % owners.len()];
                        let client = &clients[(turn + person) % clients.len()];
                        let (file, status) = match turn % 7 {
                            0 => ("timestamp.json", 200),
                            1 => ("snapshot.json", 200),
                            2 => ("root.json", 200),
                            3 => ("targets.json", 200),
                            4 => ("timestamp.key", 200),
                            5 => ("1.root.json", 200),
                            _ => ("targets/none.json", 404),
                        };
                        match client.get(&owner.path(file)) {
                            Ok(answer) if answer.status == status => {}
                            Ok(answer) => {
                                faults.push(format!("{file}: {} {}", answer.status, answer.text()));
                            }
                            Err(error) => faults.push(format!("{file}: {error:#}")),
                        }
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                    faults
                })
            })
            .collect();
        let mut most = 0;
        while begun.elapsed() < form.time {
            most = most.max(watch.sessions().unwrap_or(0));
            thread::sleep(GLANCE);
        }
        over.store(true, Ordering::Relaxed);
        let faults: Vec<String> = crowd
            .into_iter()
            .flat_map(|one| one.join().unwrap())
            .collect();
        assert!(faults.is_empty(), "{faults:#?}");
        most
    });
    let bound = POOL * clients.len();
    println!(
        "{}: {:.1} s, {} answers to {CLIENTS} clients, at most {most} sessions of {bound}",
        scene.name(),
        begun.elapsed().as_secs_f32(),
        asked.load(Ordering::Relaxed)
    );
    assert!(
        (1..=bound).contains(&most),
        "{most} sessions, {bound} allowed"
    );
    scene.close();
}

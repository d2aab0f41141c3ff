//! Holds refusals to their form, and to leaving nothing behind.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::http::Request;
use common::state::Ledger;

use crate::world::{Tenant, World};

/// A request, the status and the type it is refused with, and what the answer says among other things.
pub(crate) type Case = (Request<Body>, u16, &'static str, &'static str);

/// A deployment where two tenants have used their keys and the first has a run.
pub(crate) async fn used() -> (World, Tenant, Tenant) {
    let world = World::new();
    let acme = world.onboard("acme", "PROFESSIONAL").await;
    let beta = world.onboard("beta", "PROFESSIONAL").await;
    world.accepted(&acme).await;
    assert_eq!(world.send(beta.get(&beta.runs())).await.status, 200);
    (world, acme, beta)
}

/// Every case is refused as it says, and after all of them everything stored is as it was, byte for byte.
pub(crate) async fn refused(world: &World, tenants: &[&Tenant], cases: Vec<Case>) {
    let (stored, files) = (stored(world, tenants).await, files(world.folder()));
    for (request, status, kind, said) in cases {
        let asked = format!("{} {} {:?}", request.method(), request.uri(), request.headers());
        let answer = world.send(request).await;
        assert_eq!(answer.status, status, "{asked}\n{}", answer.body);
        assert_eq!(answer.problem(), kind, "{asked}\n{}", answer.body);
        let text = answer.body.to_string();
        assert!(text.contains(said), "{asked}\n{text} does not say {said}");
        assert!(text.len() < 2_000, "{asked}\nan answer of {} bytes", text.len());
        for error in answer.body["errors"].as_array().into_iter().flatten() {
            for member in ["field", "rule"] {
                assert!(!error[member].as_str().unwrap().is_empty(), "{asked}\n{text}");
            }
        }
        assert_eq!(self::stored(world, tenants).await, stored, "{asked}");
    }
    assert_eq!(self::files(world.folder()), files);
}

/// Ledger, runs and launches.
pub(crate) async fn stored(world: &World, tenants: &[&Tenant]) -> String {
    let mut text = String::new();
    for tenant in tenants {
        let (ledger, runs) = (world.ledger(tenant).await, world.runs(tenant).await);
        writeln!(text, "{ledger:?}\n{runs:?}").unwrap();
    }
    let rows = Ledger::rows(&*world.state).await.unwrap().len();
    writeln!(text, "{rows} rows, {} launches", world.launcher.all().len()).unwrap();
    text
}

/// Every file's bytes, but for the index of the database's log, which readers write too.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if !path.to_string_lossy().ends_with("-shm") {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

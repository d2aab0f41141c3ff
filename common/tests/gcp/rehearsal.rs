//! What `docs/operations.md` has an operator do for the first tenant, done as it stands there.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::deployment::{Deployment, OPERATOR, Setup};
use crate::judges::{TURN, python};

const DOCUMENT: &str = include_str!("../../../docs/operations.md");

/// The shell of a section, without its first block, which asks Google for what is known here.
fn shell(section: &str) -> String {
    let (_, text) = DOCUMENT.split_once(&format!("\n## {section}\n")).expect("a section");
    let text = text.split("\n## ").next().unwrap_or(text);
    let blocks = text.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    blocks.skip(1).collect()
}

/// What takes the place of the first block, and of Google's `bq`.
async fn prelude(deployment: &Deployment) -> String {
    let Deployment { onboard, trigger, bigquery, .. } = deployment;
    let token = deployment.token(OPERATOR, onboard).await;
    let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gcp/judges/tables.py");
    format!(
        "export ONBOARD={} TENANTS_URL={} TOKEN={token}\nbq() {{ {} {} {} load \"$3\" \"$5\" \"$4\"; }}\n",
        onboard.url(),
        trigger.url(),
        python().display(),
        tables.display(),
        bigquery.url,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_tenant_comes_to_a_completed_run_as_the_document_says() {
    let _turn = TURN.lock().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let setup = Setup {
        name: "rehearsal",
        configs: root.join("configs"),
        latency: |_| Duration::ZERO,
        start_within: "60",
    };
    let deployment = Deployment::start(setup).await;
    let prelude = prelude(&deployment).await;
    if std::env::var_os("REHEARSAL").is_some() {
        println!(
            "# At the root of the repository, in another shell, until Ctrl-C here:\n{prelude}"
        );
        tokio::signal::ctrl_c().await.unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // The commands read below configs and leave a file beside it.
    let linked = std::os::unix::fs::symlink(
        root.canonicalize().unwrap().join("configs"),
        folder.path().join("configs"),
    );
    linked.unwrap();
    let script = format!("set -euo pipefail\n{prelude}{}", shell("The first tenant"));
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]).current_dir(folder.path()).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_mins(3), bash.output()).await;
    let output = output.expect("within three minutes").unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert_eq!(out.lines().last(), Some("COMPLETED"), "{out}\n{err}");
    let rows = "SELECT COUNT(*) FROM acme_corp.gcp_cost_daily";
    assert!(deployment.bigquery.count(rows).await > 500);
}

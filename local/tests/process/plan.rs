//! `headgate plan`: what a run would do is told, and the data folder stays as it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::process::{PATIENCE, headgate, load_billing_export, repository};
use super::server::Server;

/// Every file below a folder, with its bytes.
fn bytes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(bytes(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

#[tokio::test]
async fn a_plan_over_a_data_folder_reads_it_and_changes_no_byte_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let server = Server::start(folder.path(), &[]).await;
    server.onboard("acme", "STARTER").await;
    server.terminate(PATIENCE).await;
    load_billing_export(folder.path(), "acme").await;
    let before = bytes(folder.path());
    let billing = ["plan", "gcp/cost/billing", "--param", "date=2025-11-17", "--tenant", "acme"];
    let at = ["--data-dir", data];
    let args = billing.iter().chain(&at);
    let ended = headgate(args.clone()).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for told in [
        "plan of gcp/cost/billing for acme\n",
        "  end_date  DATE  2025-11-17\n",
        "  2  verify      check  after daily_cost; 3 tries, each at most 600 s\n",
        "  writes acme.gcp_cost_daily, overwrite_partition 2025-11-17..2025-11-17, partitioned by usage_date",
        "  reads  acme.gcp_billing_export; as of now at most ",
        "  reads  acme.gcp_cost_daily, made by step daily_cost: not there to be dry-run yet\n",
    ] {
        assert!(ended.stdout.contains(told), "{told}\n{}", ended.stdout);
    }
    let ended = headgate(args.chain(&["--format", "json"])).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let plan: Json = serde_json::from_str(&ended.stdout).unwrap();
    let dry_run = &plan["steps"][0]["statements"][0]["dry_run"];
    assert_eq!(dry_run["outcome"], "reads");
    assert!(dry_run["bytes"].as_u64().unwrap() > 0, "{dry_run}");
    assert_eq!(bytes(folder.path()), before, "the data folder has changed");
    // A server has it open: its own files of the moment aside, nothing changes either.
    let server = Server::start(folder.path(), &[]).await;
    let ended = headgate(billing.iter().chain(&at)).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    server.terminate(PATIENCE).await;
}

#[tokio::test]
async fn the_exit_status_says_whether_a_run_would_be_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    drop(Server::start(&data, &[]).await);
    let own = folder.path().join("own");
    std::fs::create_dir_all(own.join("a/b")).unwrap();
    let template = "description: x\nsteps:\n  - {id: take, type: sql, query: \
                    SELECT tenant_id FROM tenants.tenant_profiles, target: {table: a}, mode: replace}\n";
    std::fs::write(own.join("a/b/take.yml"), template).unwrap();
    let wrong = own.join("a/b/wrong.yml");
    std::fs::write(&wrong, template.replace("query", "querry")).unwrap();
    let shipped = repository("configs/gcp/cost/billing.yml");
    let [data, own, wrong, billing] =
        [&data, &own, &wrong, &shipped].map(|path| path.to_str().unwrap());
    let at = ["--data-dir", data];
    let day = ["--param", "date=2025-11-17"];
    let cases: [(&[&str], &[&str], i32, &str); 9] = [
        (
            &["gcp/cost/billing"],
            &day,
            0,
            "no statement was dry-run: no tenant is named; give --tenant",
        ),
        (&[billing], &day, 0, "writes <tenant>.gcp_cost_daily"),
        (&["gcp/cost/billing", "--tenant", "acme"], &day, 0, "acme has no dataset in "),
        (
            &["gcp/cost/billing"],
            &[],
            65,
            "error: parameter date: required, of type DATE, not absent",
        ),
        (&["gcp/cost/billing"], &["--param", "date=\u{1b}[2J"], 65, r#"not "\u001b[2J""#),
        (&["gcp/cost/biling"], &day, 65, "did you mean gcp/cost/billing?"),
        (&[wrong], &[], 65, "= help: did you mean query?"),
        (
            &["a/b/take", "--configs", own],
            &[],
            0,
            "| SELECT tenant_id FROM tenants.tenant_profiles",
        ),
        (
            &["a/b/take", "--configs", own, "--tenant", "Acme!"],
            &[],
            65,
            r#"--tenant "Acme!" must match"#,
        ),
    ];
    for (template, params, code, told) in cases {
        let args = ["plan"].iter().chain(template).chain(params).chain(&at);
        let ended = headgate(args).await;
        assert_eq!(ended.code, Some(code), "{template:?} {params:?}: {ended:?}");
        let said = if code == 0 { &ended.stdout } else { &ended.stderr };
        assert!(said.contains(told), "{told}: {ended:?}");
        assert!(!said.contains('\u{1b}'), "{ended:?}");
    }
    let server = Server::start(Path::new(data), &[]).await;
    server.onboard("acme", "STARTER").await;
    let take = ["plan", "a/b/take", "--configs", own, "--tenant", "acme", "--data-dir", data];
    let ended = headgate(take).await;
    assert_eq!(ended.code, Some(65), "{ended:?}");
    let told =
        "error: step take: reads tenants.tenant_profiles, which is neither in the tenant's dataset";
    assert!(ended.stdout.contains(told), "{ended:?}");
    let none = folder.path().join("none");
    let ended = headgate([
        "plan",
        billing,
        day[0],
        day[1],
        "--tenant",
        "acme",
        "--data-dir",
        none.to_str().unwrap(),
    ])
    .await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("holds no data; give --data-dir") && !none.exists(), "{ended:?}");
}

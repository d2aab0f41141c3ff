use super::*;

fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

#[test]
fn only_files_below_a_root_are_read_links_and_dots_resolved() {
    let area = tempfile::tempdir().unwrap();
    let area = area.path().canonicalize().unwrap();
    let (root, beside) = (area.join("data"), area.join("database"));
    std::fs::create_dir_all(root.join("in")).unwrap();
    std::fs::create_dir(&beside).unwrap();
    for file in [root.join("in/a.csv"), beside.join("b.csv")] {
        std::fs::write(file, "x").unwrap();
    }
    std::os::unix::fs::symlink(beside.join("b.csv"), root.join("out.csv")).unwrap();
    std::os::unix::fs::symlink(&beside, root.join("out")).unwrap();
    std::os::unix::fs::symlink(root.join("in/a.csv"), root.join("same.csv")).unwrap();
    let roots = Roots::parse([root.to_str().unwrap()]).unwrap();
    let at = |path: &str| area.join(path).to_str().unwrap().to_owned();
    let real = Ok(at("data/in/a.csv"));
    assert_eq!(roots.allow(&at("data/in/a.csv"), &tenant()), real);
    assert_eq!(roots.allow(&at("data/./in//a.csv"), &tenant()), real);
    assert_eq!(roots.allow(&at("data/same.csv"), &tenant()), real);
    for refused in [
        "data/out.csv",
        "data/out/b.csv",
        "data/in/../../database/b.csv",
        "data/in/../in/a.csv",
        "database/b.csv",
        "data",
        "data/in",
        "data/in/*.csv",
        "data/in/none.csv",
    ] {
        assert!(roots.allow(&at(refused), &tenant()).is_err(), "{refused}");
    }
    for refused in ["a.csv", "in/a.csv", "", "file:///etc/passwd", "http://x/y", "/etc/passwd"] {
        assert!(roots.allow(refused, &tenant()).is_err(), "{refused}");
    }
    assert!(Roots::default().allow(&at("data/in/a.csv"), &tenant()).is_err());
    // What is not there and what is not allowed sound alike.
    let rule = |path: &str| roots.allow(&at(path), &tenant()).unwrap_err().rule;
    assert_eq!(rule("database/b.csv"), rule("database/none.csv"));
}

#[test]
fn cloud_roots_are_the_tenants_own_unless_they_are_shared() {
    let roots = Roots::parse(["gs://in/tenants/{tenant_id}", "shared:gs://rates/2025/"]).unwrap();
    for allowed in
        ["gs://in/tenants/acme/a.csv", "gs://in/tenants/acme/x/b.csv", "gs://rates/2025/c.csv"]
    {
        assert_eq!(roots.allow(allowed, &tenant()).as_deref(), Ok(allowed));
    }
    for refused in [
        "gs://in/tenants/acme2/a.csv",
        "gs://in/tenants/other/a.csv",
        "gs://in/tenants/{tenant_id}/a.csv",
        "gs://in/tenants/acme/",
        "gs://in/tenants/acme",
        "gs://in/tenants/acme/../other/a.csv",
        "gs://in/tenants/acme//a.csv",
        "gs://in/tenants/acme/*.csv",
        "gs://rates/2024/c.csv",
        "gs://rates2025/c.csv",
        "GS://in/tenants/acme/a.csv",
    ] {
        assert!(roots.allow(refused, &tenant()).is_err(), "{refused}");
    }
    for invalid in [
        "gs://in/",
        "gs://{tenant_id}/x",
        "gs://",
        "gs://in/a*/{tenant_id}",
        "gs://in/x{tenant_id}y/",
        "/nowhere/at/all",
        "/nowhere/{tenant_id}",
        "/{tenant}/x",
        "",
    ] {
        assert!(Roots::parse([invalid]).is_err(), "{invalid}");
    }
}

#[test]
fn an_export_goes_into_the_tenants_own_folder_alone() {
    let area = tempfile::tempdir().unwrap();
    let area = area.path().canonicalize().unwrap();
    let at = |path: &str| area.join(path).to_str().unwrap().to_owned();
    for folder in ["out/acme/old", "out/other", "all", "outside"] {
        std::fs::create_dir_all(at(folder)).unwrap();
    }
    std::fs::write(at("out/acme/old/a.csv"), "x").unwrap();
    std::fs::write(at("out/other/secret.csv"), "x").unwrap();
    for (to, link) in [
        ("outside", "out/acme/link"),
        ("outside/new.csv", "out/acme/nowhere.csv"),
        ("out/other/secret.csv", "out/acme/theirs.csv"),
        ("outside", "out/linked"),
    ] {
        std::os::unix::fs::symlink(at(to), at(link)).unwrap();
    }
    let roots =
        [at("out/{tenant_id}"), format!("shared:{}", at("all")), "gs://out/{tenant_id}/x".into()];
    let roots = Roots::parse_exports(roots).unwrap();
    for allowed in ["out/acme/a.csv", "out/acme/2025/11/a.csv", "out/acme/old/a.csv", "all/a.csv"] {
        assert_eq!(roots.allow_new(&at(allowed), &tenant()), Ok(at(allowed)));
    }
    assert!(roots.allow_new("gs://out/acme/x/a.csv", &tenant()).is_ok());
    for refused in [
        "out/acme",
        "out/acme/",
        "out/acme/old",
        "out/other/a.csv",
        "out/acme2/a.csv",
        "out/a.csv",
        "out/acme/../other/a.csv",
        "out/acme/link/a.csv",
        "out/acme/nowhere.csv",
        "out/acme/theirs.csv",
        "out/{tenant_id}/a.csv",
        "all",
        "outside/a.csv",
        "out/acme/*.csv",
    ] {
        assert!(roots.allow_new(&at(refused), &tenant()).is_err(), "{refused}");
    }
    for refused in ["gs://out/other/x/a.csv", "gs://out/acme/a.csv", "gs://out/acme/x/"] {
        assert!(roots.allow_new(refused, &tenant()).is_err(), "{refused}");
    }
    // A tenant whose folder is a link to somewhere else has none.
    let linked = TenantId::parse("linked").unwrap();
    assert!(roots.allow_new(&at("outside/a.csv"), &linked).is_err());
    assert!(roots.allow_new(&at("out/linked/a.csv"), &linked).is_err());
    for invalid in
        [at("out"), "gs://out/x".to_owned(), at("none/{tenant_id}"), at("out/{tenant_id}/../x")]
    {
        assert!(Roots::parse_exports([&invalid]).is_err(), "{invalid}");
    }
    assert!(Roots::default().allow_new(&at("all/a.csv"), &tenant()).is_err());
}

#[test]
fn a_folder_with_the_tenants_id_is_read_by_that_tenant_alone() {
    let area = tempfile::tempdir().unwrap();
    let area = area.path().canonicalize().unwrap();
    let at = |path: &str| area.join(path).to_str().unwrap().to_owned();
    for folder in ["in/acme", "in/other"] {
        std::fs::create_dir_all(at(folder)).unwrap();
        std::fs::write(at(folder) + "/a.csv", "x").unwrap();
    }
    let roots = Roots::parse([at("in/{tenant_id}")]).unwrap();
    assert!(roots.allow(&at("in/acme/a.csv"), &tenant()).is_ok());
    assert!(roots.allow(&at("in/other/a.csv"), &tenant()).is_err());
}

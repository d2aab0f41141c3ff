use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn tenants() -> Vec<TenantId> {
    ["ann", "bob", "cid", "dot"].map(|name| TenantId::parse(name).unwrap()).to_vec()
}

fn names(shared: &[&TenantId]) -> String {
    shared.iter().map(|tenant| &tenant.as_str()[..1]).collect()
}

/// What it shows, each tenant's last turn and candidates, the room, and the order of starts.
type Case = (&'static str, [(Option<i64>, u32); 4], i64, &'static str);

#[test]
fn places_go_round_by_the_least_recent_turn() {
    let tenants = tenants();
    let cases: [Case; 7] = [
        ("nobody waits", [(None, 0); 4], 9, ""),
        ("no room", [(None, 5); 4], 0, ""),
        ("below zero", [(None, 5); 4], -3, ""),
        ("by id where none has ever started", [(None, 2); 4], 6, "abcdab"),
        ("never before any", [(Some(7), 3), (Some(2), 3), (None, 3), (Some(9), 3)], 6, "cbadcb"),
        (
            "who has fewer drops out",
            [(Some(1), 1), (Some(2), 3), (Some(3), 2), (None, 0)],
            9,
            "abcbcb",
        ),
        ("turns outweigh ids", [(Some(3), 9), (Some(2), 9), (Some(1), 9), (Some(0), 9)], 2, "dc"),
    ];
    for (what, waits, room, expected) in cases {
        let waiting: Vec<Waiting<'_>> = tenants
            .iter()
            .zip(waits)
            .map(|(tenant, (last_turn, candidates))| Waiting { tenant, last_turn, candidates })
            .collect();
        assert_eq!(names(&share(&waiting, room)), expected, "{what}");
    }
}

proptest! {
    /// In however large portions places come free, and whoever has however much to start: while a tenant waits,
    /// no other starts twice.
    #[test]
    fn no_tenant_waits_for_more_than_one_round(
        portions in proptest::collection::vec(
            (0..9i64, proptest::collection::vec(0..5u32, 4)), 1..60),
    ) {
        let tenants = tenants();
        let mut last_turns: BTreeMap<&TenantId, i64> = BTreeMap::new();
        let mut passed: BTreeMap<(&TenantId, &TenantId), u32> = BTreeMap::new();
        let mut turn = 0;
        for (room, candidates) in portions {
            let mut left: BTreeMap<&TenantId, u32> = tenants.iter().zip(candidates).collect();
            let waiting: Vec<Waiting<'_>> = left
                .iter()
                .map(|(tenant, candidates)| Waiting {
                    tenant,
                    last_turn: last_turns.get(tenant).copied(),
                    candidates: *candidates,
                })
                .collect();
            let shared = share(&waiting, room);
            let all: u32 = left.values().sum();
            prop_assert_eq!(shared.len(), usize::try_from(room.min(i64::from(all))).unwrap());
            for starts in shared {
                turn += 1;
                last_turns.insert(starts, turn);
                let candidates = left.get_mut(starts).unwrap();
                prop_assert!(*candidates > 0, "{starts} had nothing to start");
                *candidates -= 1;
                for (waits, candidates) in &left {
                    let count = passed.entry((waits, starts)).or_default();
                    // Who starts, or has nothing to start, does not wait any more.
                    *count = if *candidates > 0 && *waits != starts { *count + 1 } else { 0 };
                    prop_assert!(*count <= 1, "{starts} passed {waits} twice");
                }
                for other in &tenants {
                    passed.insert((starts, other), 0);
                }
            }
            for (tenant, candidates) in left {
                if candidates == 0 {
                    for other in &tenants {
                        passed.insert((tenant, other), 0);
                    }
                }
            }
        }
    }
}

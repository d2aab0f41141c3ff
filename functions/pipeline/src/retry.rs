//! When a failed try is repeated: exponential backoff with full jitter.

use std::time::Duration;

use common::clock::Chance;
use common::pipeline::Retries;

/// How long the state and the warehouse are asked again before an execution gives up: about a minute in all.
pub(crate) const PATIENCE: Retries = Retries {
    max_attempts: 8,
    backoff: Duration::from_millis(200),
    max_backoff: Duration::from_secs(20),
};

/// The most that is waited after so many failed tries: the backoff, doubled with each but the first.
pub fn ceiling(retries: &Retries, failed: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failed.saturating_sub(1));
    retries.backoff.saturating_mul(doubled).min(retries.max_backoff)
}

/// A random wait between nothing and the ceiling: many that failed at once do not come back at once.
pub fn delay(retries: &Retries, failed: u32, chance: &Chance) -> Duration {
    let ceiling = u64::try_from(ceiling(retries, failed).as_micros()).unwrap_or(u64::MAX);
    let roll = u64::from_le_bytes(chance.bytes());
    // The high half of the product: uniform over 0..=ceiling to within 2^-64.
    let part = (u128::from(roll) * (u128::from(ceiling) + 1)) >> 64;
    Duration::from_micros(u64::try_from(part).unwrap_or(ceiling))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRIES: Retries = Retries {
        max_attempts: 10,
        backoff: Duration::from_secs(2),
        max_backoff: Duration::from_mins(1),
    };

    #[test]
    fn the_ceiling_doubles_up_to_its_maximum() {
        let ceilings: Vec<u64> = (1..=7).map(|n| ceiling(&RETRIES, n).as_secs()).collect();
        assert_eq!(ceilings, [2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(ceiling(&RETRIES, u32::MAX), RETRIES.max_backoff);
    }

    #[test]
    fn waits_are_spread_over_the_whole_range_and_never_past_it() {
        let chance = Chance::seeded(7);
        let waits: Vec<Duration> = (0..1_000).map(|_| delay(&RETRIES, 5, &chance)).collect();
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(32)));
        for quarter in 0..4_u64 {
            let range = Duration::from_secs(quarter * 8)..Duration::from_secs(quarter * 8 + 8);
            let share = waits.iter().filter(|wait| range.contains(*wait)).count();
            assert!((180..320).contains(&share), "{quarter}: {share}");
        }
    }
}

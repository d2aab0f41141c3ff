//! Tries that follow each other, after random waits, until a time is over.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Chance;
use crate::port::PortError;

/// The longest wait between two tries; waits are random up to a bound that doubles.
const LONGEST_WAIT: Duration = Duration::from_secs(8);
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(250);

/// Until when tries follow each other.
pub(super) struct Patience(Instant);

impl Patience {
    pub(super) fn new(within: Duration) -> Self {
        Self(Instant::now() + within)
    }

    /// Waits before the next try, or gives the error of the last one up.
    pub(super) async fn wait(
        &self,
        chance: &Chance,
        tries: u32,
        last: PortError,
    ) -> Result<(), PortError> {
        let most = FIRST_WAIT.saturating_mul(1 << tries.min(6)).min(LONGEST_WAIT);
        // Full jitter: those who failed together do not come back together.
        let random = u32::from_le_bytes(chance.bytes());
        let wait = most.mul_f64(f64::from(random) / f64::from(u32::MAX));
        if Instant::now() + wait >= self.0 {
            return Err(last);
        }
        tracing::debug!(tries, ?wait, error = %last, "a statement is tried again");
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

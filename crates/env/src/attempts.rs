//! How often a request without an answer is submitted.

use std::time::Duration;

/// Times that it is submitted.
pub const ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Before an attempt that is not the first.
pub async fn pause(attempt: u32) {
    if attempt > 0 {
        tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(attempt - 1)).await;
    }
}

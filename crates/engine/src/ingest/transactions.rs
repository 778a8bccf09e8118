//! The first reading of a job's input where its source stamps statements: for the times of its transactions.

use waterline_core::decode::{DecodeSettings, Decoder};
use waterline_core::error::Result;
use waterline_core::transactions::TransactionTimes;
use waterline_env::Env;

use super::landing::LandingFile;
use super::lines::Lines;

/// Learns the transactions of a file behind what all tables have read. Records that cannot be decoded are for the reading proper to report.
pub(super) async fn learn_file(
    env: &Env,
    landing: &LandingFile,
    read_before_bytes: u64,
    decode: &DecodeSettings,
    times: &mut TransactionTimes,
) -> Result<()> {
    let mut decoder = Decoder::new(decode.clone())?;
    let mut lines = Lines::open(env, &landing.file)?;
    let mut offset_bytes = 0;
    while let Some(block) = lines.next_block().await? {
        for line in block.lines() {
            offset_bytes += line.len() as u64;
            if offset_bytes > read_before_bytes
                && let Ok(message) = decoder.decode(line.trim_ascii_end())
            {
                times.learn(&message);
            }
        }
    }
    Ok(())
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How traffic is shared between the paths of a route: by the bandwidth that they say they have
//! (draft-ietf-idr-link-bandwidth), or evenly.

use rib::FibPath;

/// The heaviest that a hop can be.
const HEAVIEST: u8 = 255;

/// A share may be wrong by so much of itself if that makes the numbers smaller.
const TOLERANCE: f64 = 0.005;

/// The weights of paths, in proportion to their bandwidths; equal if one of them does not say.
pub(super) fn weights(paths: &[FibPath]) -> Vec<u8> {
    if paths.len() < 2 {
        return vec![1; paths.len()];
    }
    let bandwidths: Option<Vec<f64>> = paths.iter().map(bandwidth).collect();
    bandwidths.map_or_else(|| vec![1; paths.len()], |all| in_proportion(&all))
}

fn bandwidth(path: &FibPath) -> Option<f64> {
    let communities = path.attributes.unpack().extended_communities;
    let mut said = communities.iter();
    let said = said.find_map(|community| community.link_bandwidth())?;
    Some(f64::from(said)).filter(|bandwidth| bandwidth.is_finite() && *bandwidth > 0.0)
}

/// The smallest whole numbers that are near enough, or else the heaviest is as heavy as can be.
fn in_proportion(bandwidths: &[f64]) -> Vec<u8> {
    let least = bandwidths.iter().copied().fold(f64::INFINITY, f64::min);
    let most = bandwidths.iter().copied().fold(0.0, f64::max);
    let scaled = |by: f64| {
        let weights = bandwidths.iter().map(move |bandwidth| bandwidth * by);
        weights.map(|weight| (weight, weight.round().clamp(1.0, HEAVIEST.into())))
    };
    let exact = (1..=HEAVIEST)
        .map(|smallest| f64::from(smallest) / least)
        .take_while(|by| (most * by).round() <= HEAVIEST.into())
        .find(|by| scaled(*by).all(|(exact, whole)| (exact - whole).abs() <= exact * TOLERANCE));
    let by = exact.unwrap_or(f64::from(HEAVIEST) / most);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number from 1 to 255"
    )]
    let weights = scaled(by).map(|(_, whole)| whole as u8).collect();
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_as_small_as_they_can_be_and_as_near_as_they_must() {
        for (bandwidths, expected) in [
            (&[1.25e9, 1.25e9][..], &[1_u8, 1][..]),
            (&[1.25e9, 2.5e9], &[1, 2]),
            (&[3e6, 1e6, 2e6], &[3, 1, 2]),
            (&[4e6, 6e6], &[2, 3]),
            (&[1e6, 2.001e6], &[1, 2]),
            (&[1e6, 255e6], &[1, 255]),
            (&[1.0, 1e9], &[1, 255]),
            (
                &[f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX)],
                &[1, 255],
            ),
            (&[100.0, 14.0], &[43, 6]),
            (&[123_456.0, 654_321.0], &[7, 37]),
        ] {
            assert_eq!(in_proportion(bandwidths), expected, "{bandwidths:?}");
        }
    }

    #[test]
    fn every_share_is_near_what_is_said() {
        for first in (1..2000_u32).step_by(7) {
            let bandwidths = [f64::from(first), 1000.0];
            let weights = in_proportion(&bandwidths);
            let (one, two) = (f64::from(weights[0]), f64::from(weights[1]));
            let (said, found) = (bandwidths[0] / 1000.0, one / two);
            let coarse = said.min(1.0 / said) * 255.0 < 60.0;
            assert!(
                coarse || (said / found - 1.0).abs() < 0.02,
                "{bandwidths:?}: {weights:?}"
            );
        }
    }
}

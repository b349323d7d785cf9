//! Rotary positions: tables of cosines and sines, in f32 as the reference computes them.

/// `10000^(-2j / head_dim)` for `j` below half of `head_dim`.
pub fn inverse_frequencies(head_dim: usize) -> Vec<f32> {
    (0..head_dim / 2).map(|j| 1.0 / 10000_f32.powf((2 * j) as f32 / head_dim as f32)).collect()
}

/// Cosines and sines of the angles `position · frequency`: `length` rows of `head_dim / 2` values each.
///
/// Element `j` of a head is rotated together with element `j + head_dim / 2` ("rotate half").
pub fn tables(length: usize, head_dim: usize) -> (Vec<f32>, Vec<f32>) {
    let frequencies = inverse_frequencies(head_dim);
    (0..length)
        .flat_map(|position| frequencies.iter().map(move |f| position as f32 * f))
        .map(|angle| (angle.cos(), angle.sin()))
        .unzip()
}

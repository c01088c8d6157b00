// gelu(x) = x * Phi(x) with the exact normal distribution: erfc by Abramowitz and Stegun 7.1.26, |error| < 1.5e-7.
fn gelu(x: f32) -> f32 {
    let z = abs(x) * 0.70710678118;
    let t = 1.0 / (1.0 + 0.3275911 * z);
    let series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
    return max(x, 0.0) - 0.5 * abs(x) * series * exp(-z * z);
}

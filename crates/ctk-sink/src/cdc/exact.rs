//! Decimals that a float holds with all of their digits. Pure.

/// Returns true when the nearest double, written with as many digits, shows the same ones.
pub(crate) fn is_exact(text: &str) -> bool {
    let Ok(double) = text.parse::<f64>() else { return false };
    let Some((digits, exponent)) = significant(text) else { return double.is_finite() };
    // 15 digits are always kept: the precision of a double (DBL_DIG).
    let is_normal = double.is_finite() && double.abs() >= f64::MIN_POSITIVE;
    is_normal
        && (digits.len() <= 15
            || significant(&format!("{double:.*e}", digits.len() - 1)) == Some((digits, exponent)))
}

/// The same for the nearest float of 32 bits.
pub(crate) fn is_exact_real(text: &str) -> bool {
    let Ok(real) = text.parse::<f32>() else { return false };
    let Some((digits, exponent)) = significant(text) else { return real.is_finite() };
    let is_normal = real.is_finite() && real.abs() >= f32::MIN_POSITIVE;
    is_normal
        && (digits.len() <= 6
            || significant(&format!("{real:.*e}", digits.len() - 1)) == Some((digits, exponent)))
}

/// Returns the significant digits of a number, without zeros around them, and the power of ten of the first one; none for zero.
fn significant(text: &str) -> Option<(String, i64)> {
    let text = text.trim_start_matches('-');
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all: String = [whole, fraction].concat();
    let digits = all.trim_start_matches('0');
    let zeros = i64::try_from(all.len() - digits.len()).ok()?;
    let first = exponent + i64::try_from(whole.len()).ok()? - 1 - zeros;
    let digits = digits.trim_end_matches('0');
    (!digits.is_empty()).then(|| (digits.to_owned(), first))
}

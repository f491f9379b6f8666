#pragma once

#include <cmath>
#include <limits>

namespace weightscope {

namespace detail {

// c[0] + c[1]·x + ... with one rounding per step, the same with and without a compiler that fuses a*b+c.
template <int N>
inline double polynomial(const double (&c)[N], double x)
{
    double sum = c[N - 1];
    for (int i = N - 2; i >= 0; --i)
        sum = std::fma(sum, x, c[i]);
    return sum;
}

// ln(x) for finite x > 0 within 1 ulp, from operations that IEEE 754 defines to the bit: std::log differs between libraries.
inline double portable_log(double x)
{
    int exponent = 0;
    const double fraction = std::frexp(x, &exponent);  // [1/2, 1)
    const bool low = fraction < 0.70710678118654752440;
    const double m = low ? 2 * fraction : fraction;  // [√½, √2)
    const double k = low ? exponent - 1 : exponent;

    // ln(m) = 2·artanh(s), s = (m-1)/(m+1), |s| < 0.1716: the first term left out, s²¹/21, is below 2^-57 of the sum
    const double f = m - 1, s = f / (2 + f), z = s * s;
    constexpr double c[] = {2.0 / 3, 2.0 / 5, 2.0 / 7, 2.0 / 9, 2.0 / 11, 2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19};
    // 2s = f - s·f: f is exact, so that only the small terms carry a rounding error
    const double tail = s * std::fma(z, polynomial(c, z), -f);
    constexpr double ln2_high = 0x1.62e42fefa38p-1, ln2_low = 0x1.ef35793c7673p-45;  // k · ln2_high is exact
    return std::fma(k, ln2_high, f + std::fma(k, ln2_low, tail));
}

}  // namespace detail

/// Probability that a standard normal number is at most `x`.
///
///     Φ(x) = erfc(-x / √2) / 2
///
/// @param x  any double
/// @return   0 to 1, with a relative error of a few 1e-16 (that of the library's erfc) also far below 0; NaN for NaN
[[nodiscard]] inline double normal_cdf(double x)
{
    // erfc of a rounded argument loses z² digits of its tail: the rounding error d is put back to first order
    constexpr double inverse_root2 = 0x1.6a09e667f3bcdp-1, rest = -0x1.bdd3413b26456p-55;
    const double z = -x * inverse_root2;
    const double d = std::fma(-x, rest, std::fma(-x, inverse_root2, -z));
    const double value = std::erfc(z);
    if (!(value > 0) || !std::isfinite(d))
        return value / 2;
    constexpr double two_by_root_pi = 1.1283791670955125739;
    return (value - two_by_root_pi * std::exp(-z * z) * d) / 2;
}

/// The number below which a standard normal number lies with probability `p`.
///
///     Φ⁻¹(p), by rational functions of p and of √(-ln min(p, 1-p))
///
/// @param p  probability, [0, 1]
/// @return   relative error below 1e-15 down to the smallest double; -Inf for 0, Inf for 1, NaN outside [0, 1] and for NaN
/// @note     the same bits on every platform: no operation that IEEE 754 leaves open
/// @see      Wichura 1988, algorithm AS 241 (PPND16), doi:10.2307/2347330
[[nodiscard]] inline double inverse_normal_cdf(double p)
{
    constexpr double infinity = std::numeric_limits<double>::infinity();
    if (!(p > 0 && p < 1))
        return p == 0 ? -infinity : p == 1 ? infinity : std::numeric_limits<double>::quiet_NaN();

    const double q = p - 0.5;
    if (std::fabs(q) <= 0.425) {
        constexpr double a[] = {3.3871328727963666080,   1.3314166789178437745e2, 1.9715909503065514427e3,
                                1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
                                3.3430575583588128105e4, 2.5090809287301226727e3};
        constexpr double b[] = {1.0,
                                4.2313330701600911252e1,
                                6.8718700749205790830e2,
                                5.3941960214247511077e3,
                                2.1213794301586595867e4,
                                3.9307895800092710610e4,
                                2.8729085735721942674e4,
                                5.2264952788528545610e3};
        const double r = std::fma(-q, q, 0.180625);
        return q * (detail::polynomial(a, r) / detail::polynomial(b, r));
    }

    const double r = std::sqrt(-detail::portable_log(q < 0 ? p : 1 - p));
    double value = 0;
    if (r <= 5) {
        constexpr double c[] = {1.42343711074968357734,    4.63033784615654529590,   5.76949722146069140550,
                                3.64784832476320460504,    1.27045825245236838258,   2.41780725177450611770e-1,
                                2.27238449892691845833e-2, 7.74545014278341407640e-4};
        constexpr double d[] = {1.0,
                                2.05319162663775882187,
                                1.67638483018380384940,
                                6.89767334985100004550e-1,
                                1.48103976427480074590e-1,
                                1.51986665636164571966e-2,
                                5.47593808499534494600e-4,
                                1.05075007164441684324e-9};
        value = detail::polynomial(c, r - 1.6) / detail::polynomial(d, r - 1.6);
    } else {
        constexpr double e[] = {6.65790464350110377720,    5.46378491116411436990,    1.78482653991729133580,
                                2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                2.71155556874348757815e-5, 2.01033439929228813265e-7};
        constexpr double f[] = {1.0,
                                5.99832206555887937690e-1,
                                1.36929880922735805310e-1,
                                1.48753612908506148525e-2,
                                7.86869131145613259100e-4,
                                1.84631831751005468180e-5,
                                1.42151175831644588870e-7,
                                2.04426310338993978564e-15};
        value = detail::polynomial(e, r - 5) / detail::polynomial(f, r - 5);
    }
    return q < 0 ? -value : value;
}

}  // namespace weightscope

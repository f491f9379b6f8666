#pragma once
// What a transformer does to single rows, forward and backward, for `dispatch`.

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace weightscope::detail {

// e^x. In float to 2 ulp, without a branch or a call, so that loops vectorise; x is held to [-87, 88], NaN stays NaN.
template <class Real>
[[gnu::always_inline]] inline Real exp_of(Real x)
{
    if constexpr (std::is_same_v<Real, float>) {
        x = x < -87.0F ? -87.0F : x;
        x = x > 88.0F ? 88.0F : x;
        const float shifted = x * 1.44269504F + 0x1.8p23F;  // the last bits are the whole power of two
        const float n = shifted - 0x1.8p23F;
        const float r = x - n * 0.693359375F + n * 2.12194440e-4F;  // ln 2 in two pieces, the first product is exact
        // Cephes, expf
        float p = 1.9875691500e-4F;
        p = p * r + 1.3981999507e-3F;
        p = p * r + 8.3334519073e-3F;
        p = p * r + 4.1665795894e-2F;
        p = p * r + 1.6666665459e-1F;
        p = p * r + 5.0000001201e-1F;
        const float fraction = p * (r * r) + r + 1.0F;
        return fraction * std::bit_cast<float>((std::bit_cast<std::uint32_t>(shifted) << 23) + 0x3f800000U);
    } else {
        return std::exp(x);
    }
}

template <std::size_t Width, class Real>
[[gnu::always_inline]] inline Real dot_lanes(const Real* a, const Real* b, std::size_t n)
{
    Real lane[Width] = {}, sum = 0;
    for (std::size_t i = 0; i < n; i += Width)
        for (std::size_t l = 0; l < Width; ++l)
            lane[l] += a[i + l] * b[i + l];
    for (std::size_t l = 0; l < Width; ++l)
        sum += lane[l];
    return sum;
}

template <class Real>
[[gnu::always_inline]] inline Real dot(const Real* a, const Real* b, std::size_t n)
{
    const std::size_t whole = n - n % 16;
    return dot_lanes<16>(a, b, whole) + dot_lanes<1>(a + whole, b + whole, n - whole);
}

template <std::size_t Width, class Real>
[[gnu::always_inline]] inline Real sum_lanes(const Real* a, std::size_t n)
{
    Real lane[Width] = {}, sum = 0;
    for (std::size_t i = 0; i < n; i += Width)
        for (std::size_t l = 0; l < Width; ++l)
            lane[l] += a[i + l];
    for (std::size_t l = 0; l < Width; ++l)
        sum += lane[l];
    return sum;
}

template <class Real>
[[gnu::always_inline]] inline Real sum_of(const Real* a, std::size_t n)
{
    const std::size_t whole = n - n % 16;
    return sum_lanes<16>(a, whole) + sum_lanes<1>(a + whole, n - whole);
}

template <std::size_t Width, class Real>
[[gnu::always_inline]] inline Real max_lanes(const Real* a, std::size_t n, Real most)
{
    Real lane[Width];
    for (std::size_t l = 0; l < Width; ++l)
        lane[l] = most;
    for (std::size_t i = 0; i < n; i += Width)
        for (std::size_t l = 0; l < Width; ++l)
            lane[l] = a[i + l] > lane[l] ? a[i + l] : lane[l];
    for (std::size_t l = 0; l < Width; ++l)
        most = lane[l] > most ? lane[l] : most;
    return most;
}

template <class Real>
[[gnu::always_inline]] inline Real max_of(const Real* a, std::size_t n)
{
    const std::size_t whole = n - n % 16;
    return max_lanes<1>(a + whole, n - whole, max_lanes<16>(a, whole, a[0]));
}

// (x - mean) / deviation into `out`; RMSNorm (not Centred) takes 0 for the mean. Returns 1 / deviation.
template <bool Centred, class Real>
[[gnu::always_inline]] inline Real standardize(const Real* x, std::size_t n, Real epsilon, Real* out)
{
    const Real mean = Centred ? sum_of(x, n) / static_cast<Real>(n) : Real{0};
    for (std::size_t j = 0; j < n; ++j)
        out[j] = x[j] - mean;
    const Real scale = 1 / std::sqrt(dot(out, out, n) / static_cast<Real>(n) + epsilon);
    for (std::size_t j = 0; j < n; ++j)
        out[j] *= scale;
    return scale;
}

// out = standardize(x) · gain + shift; shift may be null.
template <bool Centred, class Real>
struct norm_kernel
{
    [[gnu::always_inline]] void operator()(const Real* x, std::size_t n, Real epsilon, const Real* gain, const Real* shift, Real* out) const
    {
        standardize<Centred>(x, n, epsilon, out);
        if (shift)
            for (std::size_t j = 0; j < n; ++j)
                out[j] = out[j] * gain[j] + shift[j];
        else
            for (std::size_t j = 0; j < n; ++j)
                out[j] *= gain[j];
    }
};

// Adds the gradient at x to dx, and leaves what the row adds to the gradient of the gain. `weighted` is room for a row.
template <bool Centred, class Real>
struct norm_backward_kernel
{
    [[gnu::always_inline]] void operator()(const Real* x, std::size_t n, Real epsilon, const Real* gain, const Real* dy, Real* weighted,
                                           Real* dgain, Real* dx) const
    {
        const Real scale = standardize<Centred>(x, n, epsilon, dgain);
        for (std::size_t j = 0; j < n; ++j)
            weighted[j] = dy[j] * gain[j];
        const Real along = dot<Real>(weighted, dgain, n) / static_cast<Real>(n);
        const Real mean = Centred ? sum_of<Real>(weighted, n) / static_cast<Real>(n) : Real{0};
        for (std::size_t j = 0; j < n; ++j) {
            dx[j] += scale * (weighted[j] - mean - dgain[j] * along);
            dgain[j] *= dy[j];
        }
    }
};

// out = silu(gate) · up
template <class Real>
struct gated_kernel
{
    [[gnu::always_inline]] void operator()(const Real* gate, const Real* up, std::size_t n, Real* out) const
    {
        for (std::size_t j = 0; j < n; ++j)
            out[j] = gate[j] / (1 + exp_of(-gate[j])) * up[j];
    }
};

template <class Real>
struct gated_backward_kernel
{
    [[gnu::always_inline]] void operator()(const Real* gate, const Real* up, const Real* dout, std::size_t n, Real* dgate, Real* dup) const
    {
        for (std::size_t j = 0; j < n; ++j) {
            const Real sigmoid = 1 / (1 + exp_of(-gate[j])), silu = gate[j] * sigmoid;
            dup[j] = dout[j] * silu;
            dgate[j] = dout[j] * up[j] * (sigmoid + silu * (1 - sigmoid));
        }
    }
};

// GELU in the tanh form: x (1 + tanh(u)) / 2 = x sigmoid(2u), u = √(2/π) (x + 0.044715 x³). Hendrycks, Gimpel 2016, arXiv:1606.08415
template <class Real>
struct gelu_kernel
{
    [[gnu::always_inline]] void operator()(const Real* x, std::size_t n, Real* out) const
    {
        constexpr Real slope = static_cast<Real>(1.5957691216057308), cubic = static_cast<Real>(0.044715);
        for (std::size_t j = 0; j < n; ++j)
            out[j] = x[j] / (1 + exp_of(-slope * (x[j] + cubic * x[j] * x[j] * x[j])));
    }
};

template <class Real>
struct gelu_backward_kernel
{
    [[gnu::always_inline]] void operator()(const Real* x, const Real* dout, std::size_t n, Real* dx) const
    {
        constexpr Real slope = static_cast<Real>(1.5957691216057308), cubic = static_cast<Real>(0.044715);
        for (std::size_t j = 0; j < n; ++j) {
            const Real sigmoid = 1 / (1 + exp_of(-slope * (x[j] + cubic * x[j] * x[j] * x[j])));
            const Real inner = slope * (1 + 3 * cubic * x[j] * x[j]);
            dx[j] = dout[j] * sigmoid * (1 + x[j] * (1 - sigmoid) * inner);
        }
    }
};

// Turns the pairs of one head by the angles of its position; by their opposites with sign = -1.
template <class Real>
struct rotate_kernel
{
    [[gnu::always_inline]] void operator()(Real* x, const Real* cosine, const Real* sine, std::size_t pairs, Real sign, bool interleaved) const
    {
        const std::size_t step = interleaved ? 2 : 1, partner = interleaved ? 1 : pairs;
        for (std::size_t p = 0; p < pairs; ++p) {
            Real &first = x[p * step], &second = x[p * step + partner];
            const Real a = first, b = second;
            first = a * cosine[p] - sign * b * sine[p];
            second = b * cosine[p] + sign * a * sine[p];
        }
    }
};

// x = exp(factor · x - factor · max x); returns the sum. Rows of attention and of logits.
template <class Real>
struct softmax_kernel
{
    [[gnu::always_inline]] Real operator()(Real* x, std::size_t n, Real factor, Real* most) const
    {
        *most = max_of<Real>(x, n);
        for (std::size_t j = 0; j < n; ++j)
            x[j] = exp_of(factor * (x[j] - *most));
        return sum_of<Real>(x, n);
    }
};

// Cross entropy of one row of logits, which become its gradient: softmax - one-hot. `right` tells whether no logit beats the target's.
struct row_loss
{
    double loss = 0;
    bool right = false;
};

template <class Real>
struct cross_entropy_kernel
{
    [[gnu::always_inline]] row_loss operator()(Real* logits, std::size_t n, std::size_t target) const
    {
        const Real wanted = logits[target];
        Real most = 0;
        const Real sum = softmax_kernel<Real>{}(logits, n, Real{1}, &most), inverse = 1 / sum;
        for (std::size_t j = 0; j < n; ++j)
            logits[j] *= inverse;
        logits[target] -= 1;
        return {std::log(static_cast<double>(sum)) + (static_cast<double>(most) - static_cast<double>(wanted)), wanted == most};
    }
};

}  // namespace weightscope::detail

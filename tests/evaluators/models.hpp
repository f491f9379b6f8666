#pragma once
// Models whose gradients and Hessians are known in closed form.

#include <cmath>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/random_stream.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/io/dtype.hpp>

namespace test_models {

using matrix_of_doubles = std::vector<std::vector<double>>;

inline matrix_of_doubles random_matrix(std::size_t rows, std::size_t cols, std::uint64_t seed, double std = 1)
{
    weightscope::random_stream random(seed);
    matrix_of_doubles result(rows, std::vector<double>(cols));
    for (auto& row : result)
        for (double& x : row)
            x = std * random.normal();
    return result;
}

// Tensors of one type in memory.
template <class T>
class stored_weights
{
public:
    std::vector<weightscope::weight_info> weights() const { return infos_; }
    void read(std::size_t tensor, std::size_t offset, std::span<std::byte> bytes) const
    {
        std::memcpy(bytes.data(), reinterpret_cast<const std::byte*>(values_[tensor].data()) + offset, bytes.size());
    }
    void write(std::size_t tensor, std::size_t offset, std::span<const std::byte> bytes)
    {
        ++writes;
        std::memcpy(reinterpret_cast<std::byte*>(values_[tensor].data()) + offset, bytes.data(), bytes.size());
    }

    // All weights one after the other.
    std::vector<double> flat() const
    {
        std::vector<double> result;
        for (const auto& tensor : values_)
            for (const T x : tensor)
                result.push_back(static_cast<double>(x));
        return result;
    }
    std::vector<std::vector<T>> all() const { return values_; }
    bool same_bytes(const std::vector<std::vector<T>>& other) const
    {
        for (std::size_t t = 0; t < values_.size(); ++t)
            if (std::memcmp(values_[t].data(), other[t].data(), values_[t].size() * sizeof(T)) != 0)
                return false;
        return true;
    }
    void add(std::string name, std::vector<std::size_t> shape, const std::vector<double>& values)
    {
        infos_.push_back({.name = std::move(name), .shape = std::move(shape), .dtype = weightscope::dtype_of<T>});
        values_.emplace_back();
        for (const double x : values)
            values_.back().push_back(static_cast<T>(x));
    }

    std::size_t writes = 0;

protected:
    void give(const std::vector<double>& flat, const weightscope::gradient_sink& sink) const
    {
        std::size_t begin = 0;
        for (std::size_t t = 0; t < values_.size(); ++t) {
            sink(t, 0, std::span<const double>(flat).subspan(begin, values_[t].size()));
            begin += values_[t].size();
        }
    }

    std::vector<weightscope::weight_info> infos_;
    std::vector<std::vector<T>> values_;
};

// L = w' A w / 2 + b' w, in one batch that counts `count`; tensors "a" and "b".
template <class T>
class quadratic_model : public stored_weights<T>
{
public:
    quadratic_model(matrix_of_doubles a, std::vector<double> b, const std::vector<double>& w, std::size_t first, double count = 1)
        : a_(std::move(a)), b_(std::move(b)), count_(count)
    {
        const auto middle = w.begin() + static_cast<std::ptrdiff_t>(first);
        this->add("a", {first}, {w.begin(), middle});
        this->add("b", {w.size() - first}, {middle, w.end()});
    }
    std::size_t batch_count() const { return 1; }
    weightscope::loss_value loss(std::size_t)
    {
        const auto w = this->flat();
        const auto aw = times(w);
        double sum = 0;
        for (std::size_t i = 0; i < w.size(); ++i)
            sum += w[i] * (aw[i] / 2 + b_[i]);
        return {sum * count_, count_};
    }
    quadratic_model replicate() const { return *this; }

    std::vector<double> times(const std::vector<double>& v) const
    {
        std::vector<double> result(v.size());
        for (std::size_t i = 0; i < v.size(); ++i)
            for (std::size_t j = 0; j < v.size(); ++j)
                result[i] += a_[i][j] * v[j];
        return result;
    }

protected:
    matrix_of_doubles a_;
    std::vector<double> b_;
    double count_;
};

template <class T>
class differentiable_quadratic : public quadratic_model<T>
{
public:
    using quadratic_model<T>::quadratic_model;
    weightscope::loss_value loss_and_gradient(std::size_t batch, const weightscope::gradient_sink& sink)
    {
        auto g = this->times(this->flat());
        for (std::size_t i = 0; i < g.size(); ++i)
            g[i] = (g[i] + this->b_[i]) * this->count_;
        this->give(g, sink);
        return this->loss(batch);
    }
    differentiable_quadratic replicate() const { return *this; }
};

template <class T>
class exact_quadratic : public differentiable_quadratic<T>
{
public:
    using differentiable_quadratic<T>::differentiable_quadratic;
    void hessian_vector(std::size_t, const weightscope::weight_direction& direction, const weightscope::gradient_sink& sink)
    {
        std::vector<double> v(this->b_.size());
        const std::size_t first = this->infos_[0].size();
        direction(0, 0, std::span(v).first(first));
        direction(1, 0, std::span(v).subspan(first));
        auto product = this->times(v);
        for (double& x : product)
            x *= this->count_;
        this->give(product, sink);
    }
    exact_quadratic replicate() const { return *this; }
};

// A random symmetric matrix.
inline matrix_of_doubles random_symmetric(std::size_t n, std::uint64_t seed, double diagonal = 0)
{
    auto a = random_matrix(n, n, seed);
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j < i; ++j)
            a[i][j] = a[j][i];
        a[i][i] += diagonal;
    }
    return a;
}

template <class Model>
Model make_quadratic(std::size_t n, std::uint64_t seed, double diagonal = 0, double count = 1)
{
    return Model(random_symmetric(n, seed, diagonal), random_matrix(1, n, seed + 1000)[0], random_matrix(1, n, seed + 2000)[0], n / 3, count);
}

// Logistic regression: sum over samples of log(1 + exp(-y w·x)), y = ±1; batches of `batch` samples; tensor "w".
template <class T>
class logistic_model : public stored_weights<T>
{
public:
    logistic_model(std::size_t samples, std::size_t features, std::size_t batch, std::uint64_t seed)
        : x(random_matrix(samples, features, seed)), batch_(batch)
    {
        weightscope::random_stream random(seed + 1);
        for (std::size_t n = 0; n < samples; ++n)
            y.push_back(random.uniform() < 0.5 ? -1 : 1);
        this->add("w", {features}, random_matrix(1, features, seed + 2, 0.5)[0]);
    }
    std::size_t batch_count() const { return (x.size() + batch_ - 1) / batch_; }
    weightscope::loss_value loss(std::size_t b)
    {
        double sum = 0;
        for (std::size_t i = 0; i < sample_count(b); ++i)
            sum += sample_loss(b * batch_ + i);
        return {sum, static_cast<double>(sample_count(b))};
    }
    std::size_t sample_count(std::size_t b) const { return std::min(batch_, x.size() - b * batch_); }
    void sample_losses(std::size_t b, std::span<double> losses)
    {
        for (std::size_t i = 0; i < losses.size(); ++i)
            losses[i] = sample_loss(b * batch_ + i);
    }
    void sample_gradient(std::size_t b, std::size_t i, const weightscope::gradient_sink& sink) { this->give(gradient(b * batch_ + i), sink); }
    weightscope::loss_value loss_and_gradient(std::size_t b, const weightscope::gradient_sink& sink)
    {
        for (std::size_t i = 0; i < sample_count(b); ++i)
            sample_gradient(b, i, sink);
        return loss(b);
    }
    logistic_model replicate() const { return *this; }

    double margin(std::size_t n) const
    {
        double sum = 0;
        for (std::size_t j = 0; j < x[n].size(); ++j)
            sum += x[n][j] * static_cast<double>(this->values_[0][j]);
        return sum * y[n];
    }
    double sample_loss(std::size_t n) const { return std::log1p(std::exp(-margin(n))); }
    std::vector<double> gradient(std::size_t n) const
    {
        std::vector<double> g = x[n];
        for (double& e : g)
            e *= -y[n] / (1 + std::exp(margin(n)));
        return g;
    }
    // of the mean loss
    double hessian(std::size_t i, std::size_t j) const
    {
        double sum = 0;
        for (std::size_t n = 0; n < x.size(); ++n) {
            const double p = 1 / (1 + std::exp(margin(n)));
            sum += p * (1 - p) * x[n][i] * x[n][j];
        }
        return sum / static_cast<double>(x.size());
    }

    matrix_of_doubles x;
    std::vector<double> y;

private:
    std::size_t batch_;
};

// A linear net: half the squared distance of W2 W1 x from y, summed over samples; tensors "w1" and "w2".
class linear_net : public stored_weights<double>
{
public:
    linear_net(std::size_t samples, std::size_t in, std::size_t hidden, std::size_t out, std::uint64_t seed)
        : x(random_matrix(samples, in, seed)), y(random_matrix(samples, out, seed + 1)), in_(in), hidden_(hidden), out_(out)
    {
        add("w1", {hidden, in}, random_matrix(1, hidden * in, seed + 2, 0.5)[0]);
        add("w2", {out, hidden}, random_matrix(1, out * hidden, seed + 3, 0.5)[0]);
    }
    std::size_t batch_count() const { return 2; }
    weightscope::loss_value loss(std::size_t b)
    {
        double sum = 0;
        const auto [begin, end] = range(b);
        for (std::size_t n = begin; n < end; ++n)
            for (const double e : error(n))
                sum += e * e / 2;
        return {sum, static_cast<double>(end - begin)};
    }
    weightscope::loss_value loss_and_gradient(std::size_t b, const weightscope::gradient_sink& sink)
    {
        const auto [begin, end] = range(b);
        std::vector<double> g(hidden_ * in_ + out_ * hidden_);
        for (std::size_t n = begin; n < end; ++n) {
            const auto e = error(n), h = inner(n);
            for (std::size_t j = 0; j < hidden_; ++j)
                for (std::size_t i = 0; i < out_; ++i) {
                    for (std::size_t k = 0; k < in_; ++k)
                        g[j * in_ + k] += e[i] * w2(i, j) * x[n][k];
                    g[hidden_ * in_ + i * hidden_ + j] += e[i] * h[j];
                }
        }
        give(g, sink);
        return loss(b);
    }
    linear_net replicate() const { return *this; }

    // of the mean loss, in the order of flat()
    std::vector<double> hessian_diagonal() const
    {
        std::vector<double> d(hidden_ * in_ + out_ * hidden_);
        for (std::size_t n = 0; n < x.size(); ++n) {
            const auto h = inner(n);
            for (std::size_t j = 0; j < hidden_; ++j)
                for (std::size_t i = 0; i < out_; ++i) {
                    for (std::size_t k = 0; k < in_; ++k)
                        d[j * in_ + k] += w2(i, j) * w2(i, j) * x[n][k] * x[n][k];
                    d[hidden_ * in_ + i * hidden_ + j] += h[j] * h[j];
                }
        }
        for (double& v : d)
            v /= static_cast<double>(x.size());
        return d;
    }

    matrix_of_doubles x, y;

private:
    std::pair<std::size_t, std::size_t> range(std::size_t b) const
    {
        const std::size_t third = x.size() / 3;  // batches of different sizes
        return b == 0 ? std::pair(std::size_t{0}, third) : std::pair(third, x.size());
    }
    double w2(std::size_t i, std::size_t j) const { return values_[1][i * hidden_ + j]; }
    std::vector<double> inner(std::size_t n) const
    {
        std::vector<double> h(hidden_);
        for (std::size_t j = 0; j < hidden_; ++j)
            for (std::size_t k = 0; k < in_; ++k)
                h[j] += values_[0][j * in_ + k] * x[n][k];
        return h;
    }
    std::vector<double> error(std::size_t n) const
    {
        const auto h = inner(n);
        std::vector<double> e(out_);
        for (std::size_t i = 0; i < out_; ++i) {
            for (std::size_t j = 0; j < hidden_; ++j)
                e[i] += w2(i, j) * h[j];
            e[i] -= y[n][i];
        }
        return e;
    }

    std::size_t in_, hidden_, out_;
};

}  // namespace test_models

using namespace test_models;

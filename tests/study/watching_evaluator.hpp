// An evaluator whose loss is a function of the weights, for the tests of studies.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/io/model.hpp>

namespace study_tests {

using namespace weightscope;

// Knows the model's weights and calls f(weights) at every loss, which is what f returns.
class watching_evaluator
{
public:
    using stored = std::vector<std::vector<std::byte>>;

    watching_evaluator(const model& m, std::function<double(const stored&)> f) : f_(std::move(f))
    {
        for (const named_tensor& t : m.tensors) {
            infos_.push_back({.name = t.name, .shape = t.shape, .dtype = t.dtype});
            bytes_.emplace_back(t.bytes.begin(), t.bytes.end());
        }
    }
    const std::vector<weight_info>& weights() const { return infos_; }
    void read(std::size_t tensor, std::size_t offset, std::span<std::byte> out) const { std::copy_n(bytes_[tensor].begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin()); }
    void write(std::size_t tensor, std::size_t offset, std::span<const std::byte> in) { std::copy(in.begin(), in.end(), bytes_[tensor].begin() + static_cast<std::ptrdiff_t>(offset)); }
    std::size_t batch_count() const { return 2; }
    loss_value loss(std::size_t) { return {f_(bytes_), 1}; }
    model_outputs outputs(std::size_t batch)
    {
        std::vector<float> values(4);
        std::memcpy(values.data(), bytes_[0].data() + batch * 16, 16);
        return {.values = values, .rows = 1, .cols = 4};
    }
    stored& bytes() { return bytes_; }
    std::vector<weight_info>& infos() { return infos_; }

private:
    std::function<double(const stored&)> f_;
    std::vector<weight_info> infos_;
    stored bytes_;
};

// How far the weights are from those of the model, squared.
inline std::function<double(const watching_evaluator::stored&)> distance_from(const model& m)
{
    return [&m](const watching_evaluator::stored& bytes) {
        double sum = 0;
        for (std::size_t t = 0; t < bytes.size(); ++t)
            for (std::size_t i = 0; i < bytes[t].size(); i += 4) {
                float now = 0, then = 0;
                std::memcpy(&now, bytes[t].data() + i, 4);
                std::memcpy(&then, m.tensors[t].bytes.data() + i, 4);
                const double e = static_cast<double>(now) - static_cast<double>(then);
                sum += e * e;
            }
        return sum;
    };
}

}  // namespace study_tests

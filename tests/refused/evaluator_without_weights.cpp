// error: an evaluator lists its weights: give it a member weights.. const that returns a range of weightscope::weight_info
#include <weightscope/evaluators/noise.hpp>

struct model
{
    void read(std::size_t, std::size_t, std::span<std::byte>) const;
    void write(std::size_t, std::size_t, std::span<const std::byte>);
    std::size_t batch_count() const;
    weightscope::loss_value loss(std::size_t);
};

auto noise(model& m) { return weightscope::estimate_noise(m); }

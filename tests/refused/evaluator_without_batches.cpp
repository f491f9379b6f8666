// error: an evaluator says how many batches it has: give it a member batch_count.. const that returns a std::size_t
#include <weightscope/evaluators/noise.hpp>

struct model
{
    void read(std::size_t, std::size_t, std::span<std::byte>) const;
    void write(std::size_t, std::size_t, std::span<const std::byte>);
    std::vector<weightscope::weight_info> weights() const;
    weightscope::loss_value loss(std::size_t);
};

auto noise(model& m) { return weightscope::estimate_noise(m); }

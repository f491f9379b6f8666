// error: an evaluator measures its loss: give it a member loss.std::size_t batch. that returns a weightscope::loss_value, which is a sum and a count and never a mean
#include <weightscope/evaluators/noise.hpp>

struct model
{
    void read(std::size_t, std::size_t, std::span<std::byte>) const;
    void write(std::size_t, std::size_t, std::span<const std::byte>);
    std::size_t batch_count() const;
    std::vector<weightscope::weight_info> weights() const;
    double loss(std::size_t);
};

auto noise(model& m) { return weightscope::estimate_noise(m); }

// error: an evaluator lets its weights be read: give it a member read.std::size_t tensor, std::size_t byte_offset, std::span<std::byte> bytes. const
#include <weightscope/evaluators/noise.hpp>

struct model
{
    std::vector<weightscope::weight_info> weights() const;
    void write(std::size_t, std::size_t, std::span<const std::byte>);
    std::size_t batch_count() const;
    weightscope::loss_value loss(std::size_t);
};

auto noise(model& m) { return weightscope::estimate_noise(m); }

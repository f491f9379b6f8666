// error: an evaluator lets its weights be changed: give it a member write.std::size_t tensor, std::size_t byte_offset, std::span<const std::byte> bytes.
#include <weightscope/evaluators/noise.hpp>

struct model
{
    void read(std::size_t, std::size_t, std::span<std::byte>) const;
    std::vector<weightscope::weight_info> weights() const;
    std::size_t batch_count() const;
    weightscope::loss_value loss(std::size_t);
};

auto noise(model& m) { return weightscope::estimate_noise(m); }

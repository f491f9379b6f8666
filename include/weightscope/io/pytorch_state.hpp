#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/io/model.hpp>
#include <weightscope/io/pickle.hpp>
#include <weightscope/io/pytorch_entry.hpp>
#include <weightscope/io/pytorch_tensor.hpp>
#include <weightscope/io/pytorch_tensor_builder.hpp>

namespace weightscope::detail {

// Looks through a pickle for tensors and says by which keys they are reached: those of dicts and lists, and the attributes of modules
// and other objects. A module's parameters, buffers and modules are named as its state_dict() names them.
class torch_state_walker
{
public:
    torch_state_walker(const pickle_source& source, const pickle& p);

    std::vector<torch_entry> entries;
    model_metadata scalars;  // numbers and texts near the root: epoch, configuration

    void walk(pickle_index root, const std::string& name) { visit(root, {name, torch_role::weight, {}, true}, 0); }

private:
    static constexpr std::size_t deepest = 200, longest_name = 1024, longest_names = std::size_t{1} << 28, most_scalars = 256,
                                 most_outer_keys = 3;

    struct path
    {
        std::string name;
        torch_role role;
        std::vector<std::uint32_t> outer;
        bool outside;  // all above are plain dicts
    };
    using items = std::vector<std::pair<std::string, pickle_index>>;

    void visit(pickle_index i, const path& p, std::size_t depth);

    void visit_object(const pickle_value& value, const path& p, std::size_t depth);

    // Those of a module are looked for where state_dict() looks.
    void visit_attributes(const items& attributes, const path& p, std::size_t depth);

    void visit_dict(const items& all, const path& p, std::size_t depth);

    void visit_list(const std::vector<pickle_index>& all, const path& p, std::size_t depth);

    // What hangs below a key of a dict near the root.
    torch_role role_of(std::string_view key, pickle_index i, std::size_t depth) const;

    // What state_dict() of every optimizer returns: {"state": ..., "param_groups": ...}
    bool is_optimizer_state(const pickle_value& value) const;

    // Keys and values in the order of the first appearance of the keys; of a key that stands twice, the last value, as in Python.
    items dict_items(const std::vector<pickle_index>& flat) const;

    items pair_items(const pickle_value& pairs) const;

    items call_items(const pickle_value& value) const;

    path child(const path& p, std::string_view key, std::uint64_t position);

    void add(torch_tensor tensor, const path& p, std::uint64_t position);

    void add_scalar(const pickle_value& value, const path& p, std::size_t depth);

    const pickle_source& source_;
    const pickle& pickle_;
    torch_tensor_builder builder_;
    std::vector<bool> around_;  // objects that hold the one being looked at
    std::size_t visits_ = 0, name_bytes_ = 0;
};

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/pytorch_state.hpp>
#endif

#pragma once

#include <memory>

namespace weightscope::detail {

// One T for each copy of the object that holds it, made when first asked for; only then T must be complete.
template <class T>
class per_copy
{
public:
    per_copy() = default;
    per_copy(const per_copy&) noexcept {}
    per_copy(per_copy&&) noexcept = default;
    per_copy& operator=(const per_copy&) noexcept { return *this; }
    per_copy& operator=(per_copy&&) noexcept = default;
    ~per_copy() = default;

    T& local()
    {
        if (!value_)
            value_ = std::make_shared<T>();  // shared, because that can destroy what is not complete here
        return *value_;
    }

private:
    std::shared_ptr<T> value_;
};

}  // namespace weightscope::detail

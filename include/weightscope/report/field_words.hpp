#pragma once
// What report/fields.hpp and report/spectral_fields.hpp are written in.

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

#include <weightscope/core/metric.hpp>

namespace weightscope {

/// A metric whose value is a whole number.
struct whole_metric
{
    metric number = {};
};

namespace detail {

// T, or const T: one list of fields serves writing and reading.
template <class R, class T>
concept fields_of = std::same_as<std::remove_const_t<R>, T>;

// A field that is left out where it holds nothing: a std::optional, or a text or list that is empty.
template <class F, class T>
void where_held(F& f, std::string_view name, T& value)
{
    constexpr bool is_container = requires { value.empty(); };
    if constexpr (requires { f.holds(name); }) {
        if (!f.holds(name))
            return;
        if constexpr (is_container)
            f(name, value);
        else
            f(name, value.emplace());
    } else if constexpr (is_container) {
        if (!value.empty())
            f(name, value);
    } else if (value) {
        f(name, *value);
    }
}

template <class F, fields_of<metric> R>
void whole_field(F& f, std::string_view name, R& value)
{
    whole_metric whole{value};
    f(name, whole);
    if constexpr (!std::is_const_v<R>)
        value = whole.number;
}

// 0 stands for a baseline that was not worked out, for the same reason as the metric it belongs to.
template <class F, fields_of<double> R>
void baseline_field(F& f, std::string_view name, R& value, const metric& beside)
{
    metric number = value > 0 ? metric(value) : metric::missing(beside.exists() ? "not computed" : beside.reason);
    f(name, number);
    if constexpr (!std::is_const_v<R>)
        value = number.exists() ? number.value : 0;
}

// The name of a way to compute a spectrum, which its result does not own.
template <class F, fields_of<std::string_view> R>
void method_field(F& f, R& method)
{
    std::string name(method);
    f("method", name);
    if constexpr (!std::is_const_v<R>)
        method = name == "gram" ? "gram" : name == "refined" ? "refined" : name == "qr" ? "qr" : "none";
}

}  // namespace detail

}  // namespace weightscope

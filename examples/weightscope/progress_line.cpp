#include "progress_line.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include <fmt/format.h>

#include <weightscope/report/text_layout.hpp>

#include "terminal.hpp"

using weightscope::detail::display_width, weightscope::detail::harmless, weightscope::detail::shortened;

namespace {

std::string time_left(double seconds)
{
    if (!(seconds > 0))
        return {};
    const auto s = static_cast<long long>(std::ceil(seconds));
    return s < 3600 ? fmt::format("  {}:{:02} left", s / 60, s % 60) : fmt::format("  {}:{:02}:{:02} left", s / 3600, s / 60 % 60, s % 60);
}

std::string line_of(const weightscope::progress& state, std::size_t width)
{
    constexpr std::size_t bar = 20;
    const double fraction = std::clamp(state.fraction, 0.0, 1.0);
    const auto full = static_cast<std::size_t>(fraction * bar);
    const std::string head = fmt::format("[{:#<{}}{:.<{}}] {:3.0f} %  {}/{}  ", "", full, "", bar - full, std::floor(100 * fraction), state.done, state.total);
    const std::string tail = time_left(state.seconds_left);
    const std::size_t taken = std::min(width, head.size() + tail.size());
    return shortened(head + shortened(harmless(state.name), width - taken) + tail, width);
}

}  // namespace

progress_line::progress_line(progress_mode mode)
    : shown_(mode == progress_mode::always || (mode == progress_mode::automatic && is_terminal(stderr))), overwrites_(is_terminal(stderr))
{
}

void progress_line::show(const weightscope::progress& state)
{
    const auto now = clock::now();
    if (!shown_ || (now < next_ && state.done < state.total))
        return;
    next_ = now + (overwrites_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(1000));
    constexpr std::size_t widest = 1000;
    std::string line = line_of(state, overwrites_ ? terminal_width() - 1 : widest);
    if (!overwrites_) {
        shown_ = write_now(stderr, line + "\n") == 0;
        return;
    }
    const std::size_t length = display_width(line);
    line.append(length_ > length ? length_ - length : 0, ' ');
    shown_ = write_now(stderr, "\r" + line) == 0;
    length_ = length;
    set_line_open(true);
}

void progress_line::clear()
{
    if (length_ > 0)
        shown_ = write_now(stderr, "\r" + std::string(length_, ' ') + "\r") == 0;
    length_ = 0;
    set_line_open(false);
}
